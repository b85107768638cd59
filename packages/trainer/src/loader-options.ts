// What a loader of @caddet/coco is told by a run's configuration.
import { minIouCrop, mosaic, photometricDistortion, type Transform } from "@caddet/coco";
import type { LoaderOptions } from "@caddet/coco/node";
import { type Collective, singleProcess } from "@caddet/core";
import type { TrainConfig } from "./config";

// A tile is as high and wide as the images of a batch at most, so that none is drawn finer than it will be seen.
function transformsOf(data: TrainConfig["data"], side: number): Transform[] {
  return [
    ...(data.mosaic > 0 ? [mosaic({ size: { height: side, width: side }, probability: data.mosaic })] : []),
    ...(data.minIouCrop ? [minIouCrop()] : []),
    ...(data.photometric ? [photometricDistortion()] : []),
  ];
}

/**
 * The options of a loader for training: sizes, order, augmentation.
 *
 * @param config a run's configuration
 * @param ranks which of how many ranks the loader is for, such as a collective; default the only one
 * @returns options of `createLoader`; with several sizes one is drawn for each batch, by seed and epoch
 * @example const loader = createLoader(dataset, loaderOptions(config));
 */
export function loaderOptions(
  { data, seed }: Pick<TrainConfig, "data" | "seed">,
  { rank, size: worldSize }: Pick<Collective, "rank" | "size"> = singleProcess(),
): LoaderOptions {
  const { shorter, longer, shorterSides, shorterRange } = data;
  const sides = shorterRange ?? (shorterSides.length > 0 ? shorterSides : [shorter]);
  return {
    batchSize: data.batchSize,
    size: sides.map((side) => ({ shorter: side, longer })),
    sizeMode: shorterRange ? "range" : "value",
    sizeFor: "batch",
    flip: data.flip,
    transforms: transformsOf(data, Math.max(...sides)),
    padTo: data.padTo,
    normalise: { mean: data.mean, std: data.std },
    groupByAspect: data.groupByAspect,
    prefetch: data.prefetch,
    shuffle: true,
    dropLast: true,
    seed,
    rank,
    worldSize,
  };
}
