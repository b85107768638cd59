// Every public name of @caddet/coco that runs anywhere; files and images are in ./node.
export type { Curves } from "./accumulate";
export { type ParseAnnotationsOptions, parseAnnotations } from "./annotations";
export {
  type AnnotationTable,
  type CategoryTable,
  type CocoDataset,
  groundTruthOf,
  type ImageIndex,
  type ImageTable,
  indexByImage,
  type SkipCounts,
  type SkipReason,
} from "./dataset";
export { type EvaluationResult, evaluateDetections } from "./evaluate";
export type { EvaluationTruth } from "./evaluation-cells";
export type { EvaluationParams, ResolvedParams } from "./evaluation-params";
export type { ImageEvaluation } from "./image-evaluation";
export {
  type CocoResult,
  type CocoResults,
  concatResults,
  type DetectionNames,
  detectionsToResults,
  parseResults,
  resultsToJson,
} from "./results";
export type { BadEntryPolicy } from "./skips";
export { type ClassStatistics, formatStatistics, STATISTIC_NAMES } from "./statistics";
export { filterForTraining, type TrainingFilterOptions } from "./training-filter";
export { clipBoxes, flipBoxes, scaleBoxes, unscaleBoxes } from "./transforms";
