// Every public name of @caddet/trainer; what touches files is under @caddet/trainer/node.
export { type AdamWOptions, createAdamW } from "./adamw";
export type { BatchSource, TrainBatch } from "./batches";
export { type CompiledForward, compiledForward } from "./compiled-forward";
export {
  defineConfig,
  parseTrainConfig,
  setConfigValue,
  type TrainConfig,
  type TrainConfigInput,
  trainConfigSchema,
} from "./config";
export { type DetectorEvaluation, type EvaluateOptions, evaluateDetector } from "./evaluate";
export { type EvaluationHookOptions, evaluationHook } from "./evaluation-hook";
export { type BatchGradients, batchGradients, type GradientBatch, type GradientOptions } from "./gradients";
export type { Metrics, NonFiniteEvent, StepRecord, TrainHook } from "./hooks";
export { type LeakedTensors, leakSentinel, TensorLeakError } from "./leak-sentinel";
export { freezeMoments, type RecomputeOptions, recomputeMoments } from "./moments";
export { computeObjective, encodeBatch, type Objective, type ObjectiveBatch, type ObjectiveOptions } from "./objective";
export { type KindFactors, Optimizer, type OptimizerOptions, type UpdateInputs, type UpdateRule } from "./optimizer";
export { RankDriftError } from "./ranks";
export { RECIPE_NAMES, RECIPES, type RecipeName } from "./recipes";
export type { RunState, TrainPosition } from "./run-state";
export { learningRate, type ScheduleOptions } from "./schedule";
export { createSgd, type SgdOptions } from "./sgd";
export { type Spread, spreadOf } from "./spread";
export { createTrainer, Trainer, type TrainerOptions } from "./trainer";
export { averageDecay, WeightAverage } from "./weight-average";
