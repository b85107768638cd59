// Trains a detector with the center head on drawn scenes and measures it on others. Everything between the head and the numbers is
// @caddet's: the configuration names the head, and trainer, evaluation and inferencer take it from there.
import { createRandom } from "@caddet/core";
import { buildDetector, type Detector, type ModelParts, parseModelConfig } from "@caddet/detector";
import { createInferencer, type InferenceResult } from "@caddet/inferencer";
import { supernetFactory } from "@caddet/supernet";
import { createTrainer, evaluateDetector, parseTrainConfig, type TrainHook } from "@caddet/trainer";
import { centerFactory } from "./center-factory";
import { CLASSES, drawScenes, NORMALISATION, type Scene, SIDE, sceneBatches, sceneDataset } from "./scenes";

/** What a configuration can name here. */
export const parts: ModelParts = { backbones: [supernetFactory], heads: [centerFactory] };

/** How long to train, and on what. */
export interface RunOptions {
  /** Of scenes, weights and order. */
  readonly seed: number;
  /** Of eight scenes each. */
  readonly steps: number;
  /** Scenes to train on, at least 8. */
  readonly train: number;
  /** Held-out scenes. */
  readonly val: number;
  readonly hooks?: readonly TrainHook[];
}

/** What came of it. */
export interface RunResult {
  /** The caller's. */
  readonly detector: Detector;
  /** COCO's AP on the held-out scenes before training. */
  readonly untrainedAp: number;
  /** The same after training. */
  readonly ap: number;
  readonly ap50: number;
  /** Mean executed MAdds of blocks and paths. */
  readonly madds: number;
  /** A held-out scene, and what the inferencer finds in it. */
  readonly sample: { readonly scene: Scene; readonly result: InferenceResult };
}

/** The configuration of the run, as one writes it. */
export function runConfig({ seed, steps }: Pick<RunOptions, "seed" | "steps">) {
  const config = parseTrainConfig({
    seed,
    model: {
      backbone: { preset: "tiny", channels: [16, 32, 32, 32], pyramid: 32 },
      head: { type: "center", channels: 32 },
    },
    data: { shorter: SIDE, longer: SIDE, padTo: 32, batchSize: 8, ...NORMALISATION },
    optimizer: { type: "adamw", lr: 0.004, weightDecay: 0.01, clipNorm: 10 },
    schedule: { epochs: 1000, maxSteps: steps, policy: "cosine", warmupSteps: 20 },
    budget: { mapping: "fixed", ratio: 0.6 },
  });
  return { ...config, model: parseModelConfig(config.model, parts) };
}

/**
 * Trains and evaluates.
 *
 * @param options seed, steps, scenes
 * @returns detector and figures
 */
export async function runCustomHead({ seed, steps, train, val, hooks = [] }: RunOptions): Promise<RunResult> {
  const config = runConfig({ seed, steps });
  const held = drawScenes(val, seed + 1);
  const dataset = sceneDataset(held);
  const batches = sceneBatches(drawScenes(train, seed), config.data.batchSize, seed);
  const detector = buildDetector(config.model, { parts, numClasses: CLASSES.length, random: createRandom(seed) });
  const evaluate = () => evaluateDetector({ detector, dataset, batches: sceneBatches(held, 1).epoch(0) });

  const before = await evaluate();
  const trainer = createTrainer({ detector, batches, config, hooks });
  await trainer.run();
  trainer.dispose();
  const { coco, madds } = await evaluate();

  const { shorter, longer, padTo } = config.data;
  const size = { shorter, longer };
  const inferencer = createInferencer({ detector, classes: CLASSES, size, padTo, normalise: NORMALISATION });
  const scene = held[0]!;
  const result = await inferencer.detect({ height: SIDE, width: SIDE, data: scene.pixels });
  await inferencer.close();
  return {
    detector,
    untrainedAp: before.coco.stats[0]!,
    ap: coco.stats[0]!,
    ap50: coco.stats[1]!,
    madds: madds!.reduce((a, b) => a + b, 0) / madds!.length,
    sample: { scene, result },
  };
}
