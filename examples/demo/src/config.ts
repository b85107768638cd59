// How the demo trains: a small supernet from scratch, in minutes on two CPU cores. Images go in at half their size; the scale intervals
// are measured in source pixels, as the scenes are drawn by them.
import { type ModelConfig, parseModelConfig } from "@caddet/detector";
import { parseTrainConfig, type TrainConfig } from "@caddet/trainer";
import { parts } from "./parts";

/**
 * The demo's configuration.
 *
 * @param seed of weights, order and mirroring
 * @param steps of eight images each
 */
export function demoConfig(seed: number, steps: number): TrainConfig & { readonly model: ModelConfig } {
  const config = parseTrainConfig({
    seed,
    model: {
      backbone: { preset: "small", layers: 6, pyramid: 64 },
      head: {
        channels: 64,
        stackedConvs: 2,
        tower: "separable",
        groups: 8,
        centerSampling: true,
        normOnBbox: true,
        centernessOnReg: true,
        boxLoss: "giou",
        lossWeights: { box: 2 },
      },
    },
    data: { shorter: 192, longer: 256, batchSize: 8, prefetch: 3 },
    optimizer: { type: "adamw", lr: 0.004, weightDecay: 0.01, clipNorm: 10 },
    schedule: { epochs: 100, maxSteps: steps, policy: "cosine", warmupSteps: 50 },
    // In so few steps the routers need a firmer hand than λ1 = 1.
    budget: { ratio: 0.25, reduce: "sum", weight: 5, pixels: "source" },
  });
  return { ...config, model: parseModelConfig(config.model, parts) };
}
