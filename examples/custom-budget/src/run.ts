// Trains the same detector under three budgets, the same for all images, by object count and by edge density, and measures on held-out
// scenes what each image's route costs.
import { createCostModel, fixedBudget } from "@caddet/budget";
import { type BudgetMapping, createRandom } from "@caddet/core";
import { buildDetector, type Detector, type ModelParts, parseModelConfig } from "@caddet/detector";
import { fcosFactory } from "@caddet/heads";
import { supernetFactory } from "@caddet/supernet";
import { type BatchSource, createTrainer, parseTrainConfig, type TrainHook } from "@caddet/trainer";
import * as tf from "@tensorflow/tfjs-core";
import { correlation, mean } from "./correlation";
import { countBudget } from "./count-budget";
import { batchDensities, edgeBudget } from "./edge-budget";
import { CLASSES, drawScenes, type Scene, SIDE, sceneBatches, toBatch } from "./scenes";

const parts: ModelParts = { backbones: [supernetFactory], heads: [fcosFactory] };

/** How long to train, and on what. */
export interface RunOptions {
  /** Of scenes, weights and order. */
  readonly seed: number;
  /** Of eight scenes each, for each budget. */
  readonly steps: number;
  /** Scenes to train on, at least 8. */
  readonly train: number;
  /** Held-out scenes. */
  readonly val: number;
  /** Which budgets to train under. Default: all. */
  readonly budgets?: readonly BudgetName[];
  readonly hooks?: readonly TrainHook[];
}

/** The budgets of this example, by what they look at. */
export type BudgetName = "fixed" | "count" | "edges";

/** How far a cost follows the content of images, as correlations. */
export interface Follows {
  /** With the number of their objects. */
  readonly count: number;
  /** With the density of their edges. */
  readonly edges: number;
}

/** What a budget led to on the held-out scenes. */
export interface BudgetOutcome {
  readonly name: BudgetName;
  /** Mean expected cost (Eq. 1-2, what the loss acts on) as a fraction of all MAdds. */
  readonly expected: number;
  /** Mean executed MAdds of blocks and paths as a fraction of all. */
  readonly executed: number;
  readonly expectedFollows: Follows;
  readonly executedFollows: Follows;
}

/** The configuration of a run; the mapping is passed beside it. */
export function runConfig({ seed, steps }: Pick<RunOptions, "seed" | "steps">) {
  const config = parseTrainConfig({
    seed,
    model: {
      backbone: { preset: "tiny", channels: [16, 32, 32, 32], pyramid: 16 },
      head: { stackedConvs: 1, tower: "separable", channels: 16, groups: 4, centerSampling: true, normOnBbox: true },
    },
    data: { batchSize: 8 },
    optimizer: { type: "adamw", lr: 0.004, weightDecay: 0.01, clipNorm: 10 },
    schedule: { epochs: 1000, maxSteps: steps, policy: "cosine", warmupSteps: 20 },
    // λ1 is firm, since the routers have few steps; the routes are to follow the budget alone, so λ2 is 0.
    budget: { weight: 30 },
    similarity: { weight: 0 },
    regularizeFromEpoch: 0,
  });
  return { ...config, model: parseModelConfig(config.model, parts) };
}

/** The cost of each scene's route, as fractions of all MAdds. */
interface Costs {
  readonly expected: ArrayLike<number>;
  readonly executed: ArrayLike<number>;
}

async function routeCosts(detector: Detector, scenes: readonly Scene[]): Promise<Costs> {
  const { nodeOfPath, cost } = detector.backbone.routing!;
  const model = createCostModel(nodeOfPath, cost(SIDE, SIDE));
  const gates = new Float32Array(scenes.length * nodeOfPath.length);
  const executed = new Float64Array(scenes.length);
  for (const [i, scene] of scenes.entries()) {
    const { images, shape, sizes } = toBatch([scene], [i]);
    const input = tf.tensor4d(images, [...shape]);
    const found = await detector.detect(input, sizes).finally(() => input.dispose());
    gates.set(found.gates!, i * nodeOfPath.length);
    executed[i] = found.madds![0]! / model.total;
  }
  const soft = tf.tidy(() => model.expectedCost(tf.tensor2d(gates, [scenes.length, nodeOfPath.length])));
  const expected = Float64Array.from(await soft.data(), (madds) => madds / model.total);
  soft.dispose();
  model.dispose();
  return { expected, executed };
}

/**
 * Trains a detector for each budget.
 *
 * @param options seed, steps, scenes
 * @returns what each budget led to, in the order fixed, count, edges
 */
export async function runCustomBudget(options: RunOptions): Promise<BudgetOutcome[]> {
  const { seed, steps, train, val, budgets = ["fixed", "count", "edges"], hooks = [] } = options;
  const config = runConfig({ seed, steps });
  const scenes = sceneBatches(drawScenes(train, seed), config.data.batchSize, seed);
  const held = drawScenes(val, seed + 1);
  const counts = held.map(({ truth }) => truth.labels.length);
  const densities = batchDensities(toBatch(held, [...held.keys()]));

  const byCount = countBudget({ low: 0.02, high: 0.9, most: 8 });
  const byEdges = edgeBudget({ low: 0.02, high: 0.9, most: 0.3 });
  const runs: readonly { name: BudgetName; mapping: BudgetMapping; batches: BatchSource }[] = [
    { name: "fixed", mapping: fixedBudget({ ratio: 0.45 }), batches: scenes },
    { name: "count", mapping: byCount, batches: scenes },
    { name: "edges", mapping: byEdges.mapping, batches: byEdges.watch(scenes) },
  ];
  const outcomes: BudgetOutcome[] = [];
  for (const { name, mapping, batches } of runs) {
    if (!budgets.includes(name)) continue;
    const detector = buildDetector(config.model, { parts, numClasses: CLASSES.length, random: createRandom(seed) });
    const trainer = createTrainer({ detector, batches, config, mapping, hooks });
    await trainer.run();
    trainer.dispose();
    const { expected, executed } = await routeCosts(detector, held);
    detector.dispose();
    const follows = (costs: ArrayLike<number>) => ({
      count: correlation(costs, counts),
      edges: correlation(costs, densities),
    });
    outcomes.push({
      name,
      expected: mean(expected),
      executed: mean(executed),
      expectedFollows: follows(expected),
      executedFollows: follows(executed),
    });
  }
  return outcomes;
}
