import { newSample } from "@caddet/coco";
import { createRandom } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { parseTrainConfig, type TrainConfigInput } from "../src";
import { loaderOptions } from "../src/node";

const sizes = (data: TrainConfigInput["data"]) => {
  const { size, sizeMode, sizeFor } = loaderOptions(parseTrainConfig({ data }));
  return { size, sizeMode, sizeFor };
};

describe("loaderOptions", () => {
  it("hands over what a configuration says of data", () => {
    const config = parseTrainConfig({
      seed: 4,
      data: { batchSize: 2, flip: 0.1, padTo: 32, prefetch: 5, groupByAspect: false },
    });
    expect(loaderOptions(config)).toEqual({
      batchSize: 2,
      size: [{ shorter: 600, longer: 1000 }],
      sizeMode: "value",
      sizeFor: "batch",
      flip: 0.1,
      transforms: [],
      padTo: 32,
      normalise: { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] },
      groupByAspect: false,
      prefetch: 5,
      shuffle: true,
      dropLast: true,
      seed: 4,
      rank: 0,
      worldSize: 1,
    });
    expect(loaderOptions(config, { rank: 1, size: 3 })).toMatchObject({ batchSize: 2, rank: 1, worldSize: 3 });
  });

  it("has one size, those of a list, or the ends of a range; one is drawn for each batch", () => {
    expect(sizes({ shorterSides: [480, 544, 600] })).toEqual({
      size: [480, 544, 600].map((shorter) => ({ shorter, longer: 1000 })),
      sizeMode: "value",
      sizeFor: "batch",
    });
    expect(sizes({ longer: 1333, shorterRange: [640, 800] })).toEqual({
      size: [640, 800].map((shorter) => ({ shorter, longer: 1333 })),
      sizeMode: "range",
      sizeFor: "batch",
    });
  });

  it("has mosaic, crop and colours in this order", () => {
    const transformsOf = (data: TrainConfigInput["data"]) => loaderOptions(parseTrainConfig({ data })).transforms!;
    expect(transformsOf({ mosaic: 0.5, minIouCrop: true, photometric: true }).map(({ others }) => others)).toEqual([
      3,
      undefined,
      undefined,
    ]);
    // A mosaic of one grey image of 8 × 8 four times, in tiles of the largest side that is asked for.
    const [join] = transformsOf({ mosaic: 1, shorterSides: [16, 32] });
    const truth = { boxes: Float32Array.of(0, 0, 8, 8), labels: Int32Array.of(1), crowd: Uint8Array.of(0) };
    const grey = () => newSample(new Uint8Array(8 * 8 * 3).fill(90), { height: 8, width: 8 }, truth);
    const { size } = join!(grey(), createRandom(1), [grey(), grey(), grey()]);
    expect(size).toEqual({ height: 64, width: 64 });
  });
});
