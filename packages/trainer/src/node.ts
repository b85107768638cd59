// What of @caddet/trainer needs Node: run folders, checkpoints, metrics and progress.
export { checkpointHook, resumeFrom, saveCheckpoint } from "./checkpoint";
export { metricsHook, readMetrics } from "./metrics";
export { type ProgressStream, progressHook } from "./progress";
export {
  latestCheckpoint,
  listCheckpoints,
  type RunFolder,
  readRunConfig,
  runFolder,
  writeFileAtomic,
} from "./run-folder";
