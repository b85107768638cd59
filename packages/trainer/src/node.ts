// What of @caddet/trainer needs Node: run folders, checkpoints, metrics and progress.
export { bestCheckpoint, resumeFrom, resumeNewest, saveCheckpoint } from "./checkpoint";
export { checkpointHook } from "./checkpoint-hook";
export { loadInitialWeights } from "./initial-weights";
export { loaderOptions } from "./loader-options";
export { lockHook, lockRunFolder, type RunLock, RunLockedError } from "./lock";
export { metricsHook, type RunEvent, readEvents, readMetrics } from "./metrics";
export { type ProgressStream, progressHook } from "./progress";
export {
  latestCheckpoint,
  listCheckpoints,
  type RunFolder,
  RunWriteError,
  readRunConfig,
  runFolder,
  writeFileAtomic,
} from "./run-folder";
export type { TaggedImage } from "./tensorboard/event";
export { type TensorboardOptions, tensorboardHook } from "./tensorboard/tensorboard-hook";
