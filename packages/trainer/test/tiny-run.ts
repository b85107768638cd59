// A detector and a data set small enough to train within a test: coloured squares on grey, drawn from a seed and the epoch.
import { createRandom, type GroundTruth, type Random } from "@caddet/core";
import { buildDetector, type Detector, type ModelConfig, parseModelConfig } from "@caddet/detector";
import { type BatchSource, parseTrainConfig, type TrainBatch, type TrainConfig, type TrainConfigInput } from "../src";
import { PARTS } from "./tiny-parts";

/** A run's configuration, the model's part checked as well. */
type WholeConfig = TrainConfig & { readonly model: ModelConfig };

export const CLASSES = [
  { id: 3, name: "dark square" },
  { id: 7, name: "light square" },
];

const SIDE = 32;

/** A configuration of a small run; overrides go into its groups. */
export function tinyConfig(overrides: TrainConfigInput = {}): WholeConfig {
  const { optimizer, schedule, ...rest } = overrides;
  const config = parseTrainConfig({
    optimizer: { lr: 0.005, ...optimizer },
    schedule: { epochs: 2, warmupSteps: 0, policy: "constant", ...schedule },
    ...rest,
  });
  return { ...config, model: parseModelConfig(config.model, PARTS) };
}

/** A detector for {@link CLASSES}. */
export function tinyDetector({ model }: TrainConfig, seed: number | Random, numClasses = CLASSES.length): Detector {
  const config = parseModelConfig(model, PARTS);
  const random = typeof seed === "number" ? createRandom(seed) : seed;
  return buildDetector(config, { parts: PARTS, numClasses, random });
}

/** One batch of two images with one square each; some squares are large. */
export function squaresBatch(seed: number, stream = 0): TrainBatch {
  const random = createRandom(seed, stream);
  const shape = [2, SIDE, SIDE, 3] as const;
  const images = new Float32Array(2 * SIDE * SIDE * 3);
  const truths = [0, 1].map((b): GroundTruth => {
    const label = random.int(2);
    const size = random.int(2) === 0 ? 8 : 20;
    const [x, y] = [random.int(SIDE - size), random.int(SIDE - size)];
    for (let row = y; row < y + size; row++) {
      const from = ((b * SIDE + row) * SIDE + x) * 3;
      images.fill(label === 0 ? -2 : 2, from, from + size * 3);
    }
    return {
      boxes: Float32Array.of(x, y, x + size, y + size),
      labels: Int32Array.of(label),
      crowd: new Uint8Array(1),
    };
  });
  return {
    images,
    shape,
    truths,
    sizes: [0, 1].map(() => ({ height: SIDE, width: SIDE })),
    imageIds: [10 * stream + seed, 10 * stream + seed + 1000],
  };
}

/** Batches that depend on the epoch and their place in it, as a loader's do. */
export function squares(batchesPerEpoch: number, change: (batch: TrainBatch) => TrainBatch = (b) => b): BatchSource {
  return {
    batchesPerEpoch,
    async *epoch(epoch, { startBatch = 0 } = {}) {
      for (let i = startBatch; i < batchesPerEpoch; i++) yield change(squaresBatch(epoch, i));
    },
  };
}
