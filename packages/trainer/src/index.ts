// Every public name of @caddet/trainer; what touches files is under @caddet/trainer/node.
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
export { learningRate, type ScheduleOptions } from "./schedule";
export { createSgd, type KindFactors, Sgd, type SgdOptions } from "./sgd";
export { type Spread, spreadOf } from "./spread";
export {
  type BatchSource,
  createTrainer,
  type TrainBatch,
  Trainer,
  type TrainerOptions,
  type TrainPosition,
} from "./trainer";
