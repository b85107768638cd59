// How the demo trains: a small supernet from scratch, in minutes on two CPU cores. Images go in at half their size; the scale intervals
// are measured in source pixels, as the scenes are drawn by them.
import { parseTrainConfig, type TrainConfig } from "@caddet/trainer";

/**
 * The demo's configuration.
 *
 * @param seed of weights, order and mirroring
 * @param steps of eight images each
 */
export function demoConfig(seed: number, steps: number): TrainConfig {
  return parseTrainConfig({
    seed,
    model: {
      backbone: { preset: "small", layers: 6, pyramid: 64 },
      head: {
        channels: 64,
        stackedConvs: 1,
        tower: "separable",
        groups: 8,
        centerSampling: true,
        normOnBbox: true,
        centernessOnReg: true,
        boxLoss: "giou",
      },
    },
    data: { shorter: 192, longer: 256, batchSize: 8, prefetch: 3 },
    optimizer: { lr: 0.02, clipNorm: 10 },
    schedule: { epochs: 100, maxSteps: steps, policy: "cosine", warmupSteps: 50 },
    budget: { ratio: 0.1, reduce: "sum", pixels: "source" },
  });
}
