// Named recipes: mmdetection 2.1's 1× schedule for FCOS (fcos_r50_caffe_fpn_gn-head_4x4_1x) and RetinaNet (retinanet_r50_fpn_1x) at
// batch 16, with the paper's sizes of images (§4.1): the ablations' and the main results'. They are defaults; what one sets counts.
import type { TrainConfigInput } from "./config";

/** The names of the recipes. */
export const RECIPE_NAMES = ["ablation", "main", "ablation-retina", "main-retina"] as const;

/** A recipe's name. */
export type RecipeName = (typeof RECIPE_NAMES)[number];

const data = {
  batchSize: 16,
  flip: 0.5,
  padTo: 32,
  groupByAspect: true,
  mean: [123.675, 116.28, 103.53],
  std: [58.395, 57.12, 57.375],
} satisfies TrainConfigInput["data"];

const schedule = {
  epochs: 12,
  policy: "step",
  milestones: [8, 11],
  gamma: 0.1,
  warmupSteps: 500,
  warmupRatio: 0.001,
} satisfies TrainConfigInput["schedule"];

// mmcv decays the weights of norms like others, and leaves both of a norm out of the bias rule.
const sgd = { type: "sgd", lr: 0.01, momentum: 0.9, weightDecay: 1e-4, normDecayFactor: 1 } as const;

const fcos = {
  optimizer: { ...sgd, clipNorm: 35, biasLrFactor: 2, biasDecayFactor: 0 },
  // In 2.1 the rate stays at a thousandth for 500 steps; 2.2 made it a third.
  schedule: { ...schedule, warmup: "constant" },
} satisfies TrainConfigInput;

const retina = {
  optimizer: { ...sgd, clipNorm: null, biasLrFactor: 1, biasDecayFactor: 1 },
  schedule: { ...schedule, warmup: "linear" },
} satisfies TrainConfigInput;

const ablation = { ...data, shorter: 600, longer: 1000 } satisfies TrainConfigInput["data"];
const main = { ...data, shorter: 800, longer: 1333 } satisfies TrainConfigInput["data"];

/** The settings of each recipe. */
export const RECIPES: Readonly<Record<RecipeName, TrainConfigInput>> = {
  ablation: { ...fcos, data: ablation, regularizeFromEpoch: 1 },
  main: { ...fcos, data: main, regularizeFromEpoch: 1 },
  "ablation-retina": { ...retina, data: ablation, regularizeFromEpoch: 1 },
  "main-retina": { ...retina, data: main, regularizeFromEpoch: 1 },
};

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Settings over a recipe's: groups are joined, lists and plain values replaced. */
export function overRecipe(recipe: RecipeName, settings: object): Record<string, unknown> {
  const join = (below: Record<string, unknown>, above: Record<string, unknown>): Record<string, unknown> => {
    const joined = Object.entries(above).map(([key, value]) => {
      const other = Object.hasOwn(below, key) ? below[key] : undefined;
      return [key, isGroup(value) && isGroup(other) ? join(other, value) : value];
    });
    return { ...below, ...Object.fromEntries(joined) };
  };
  return join(RECIPES[recipe] as Record<string, unknown>, settings as Record<string, unknown>);
}
