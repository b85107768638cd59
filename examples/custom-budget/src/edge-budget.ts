// A budget by edge density. A sample has an image's objects, not its pixels: those pass by in the batches. So the mapping comes with a
// `watch` for the source of batches, which notes each image's density under its id.
import { type BudgetMapping, type BudgetSample, ConfigError } from "@caddet/core";
import type { BatchSource, TrainBatch } from "@caddet/trainer";
import { type BudgetRange, checkRange } from "./count-budget";
import { edgeDensity } from "./edge-density";

/** Options of {@link edgeBudget}. */
export interface EdgeBudgetOptions extends BudgetRange {
  /** Edge density at which the budget is `high`; more does not raise it. In (0, 1]. */
  readonly most: number;
}

/** A mapping, and the way by which it sees images. */
export interface EdgeBudget {
  readonly mapping: BudgetMapping<Pick<BudgetSample, "imageId">>;
  /** Passes batches on and notes how many edges their images show. What the mapping is to be asked for has to come through here. */
  watch(batches: BatchSource): BatchSource;
}

/** The edge density of each image of a batch, padding left out. `[B]` */
export function batchDensities({ images, shape: [, height, width], sizes }: TrainBatch): number[] {
  const length = height * width * 3;
  return sizes.map((size, image) => {
    const own = images.subarray(image * length, (image + 1) * length);
    return edgeDensity(own, { height: size.height, width: size.width, stride: width });
  });
}

/**
 * Gives an image the more budget, the more edges it shows.
 *
 * @param options range and the density at its upper end
 * @returns the mapping, from `low` without edges to `high` at `most`, and the watch
 * @throws ConfigError when an option is out of range, and from the mapping for an image that did not pass the watch
 * @example const { mapping, watch } = edgeBudget({ low: 0.1, high: 0.9, most: 0.3 });
 *   createTrainer({ detector, batches: watch(batches), config, mapping })
 */
export function edgeBudget({ low, high, most }: EdgeBudgetOptions): EdgeBudget {
  checkRange({ low, high });
  if (!(most > 0 && most <= 1)) {
    throw new ConfigError(`edgeBudget needs a density in (0, 1] as most, got ${most}.`, { most });
  }
  const densities = new Map<number, number>();
  const mapping: EdgeBudget["mapping"] = (samples) =>
    Float32Array.from(samples, ({ imageId = -1 }, image) => {
      const density = densities.get(imageId);
      if (density === undefined) {
        throw new ConfigError(
          `edgeBudget has not seen image ${image} of the batch. Pass the batches through watch() before the trainer takes them.`,
          { image },
        );
      }
      return low + (high - low) * Math.min(density / most, 1);
    });
  const watch = (batches: BatchSource): BatchSource => ({
    batchesPerEpoch: batches.batchesPerEpoch,
    async *epoch(epoch, options) {
      for await (const batch of batches.epoch(epoch, options)) {
        const seen = batchDensities(batch);
        for (const [i, id] of batch.imageIds.entries()) densities.set(id, seen[i]!);
        yield batch;
      }
    },
  });
  return { mapping, watch };
}
