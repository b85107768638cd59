// Every public name of @caddet/trainer; what touches files is under @caddet/trainer/node.
export { type AdamWOptions, createAdamW } from "./adamw";
export {
  defineConfig,
  parseTrainConfig,
  setConfigValue,
  type TrainConfig,
  type TrainConfigInput,
  trainConfigSchema,
} from "./config";
export { type DetectorEvaluation, type EvaluateOptions, evaluateDetector } from "./evaluate";
export type { StepRecord, TrainHook } from "./hooks";
export { computeObjective, encodeBatch, type Objective, type ObjectiveBatch, type ObjectiveOptions } from "./objective";
export { type KindFactors, Optimizer, type OptimizerOptions, type UpdateInputs, type UpdateRule } from "./optimizer";
export { learningRate, type ScheduleOptions } from "./schedule";
export { createSgd, type SgdOptions } from "./sgd";
export { type Spread, spreadOf } from "./spread";
export {
  type BatchSource,
  createTrainer,
  type TrainBatch,
  Trainer,
  type TrainerOptions,
  type TrainPosition,
} from "./trainer";
