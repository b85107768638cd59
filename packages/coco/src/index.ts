// Every public name of @caddet/coco that runs anywhere; files and images are in ./node.

export {
  parseYoloLabels,
  resultsToYolo,
  type YoloLabelFile,
  type YoloLabelsOptions,
  type YoloObject,
} from "./convert/yolo-labels";
export { type ParseAnnotationsOptions, parseAnnotations } from "./dataset/annotations";
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
} from "./dataset/dataset";
export {
  type AspectCounts,
  type ClassCount,
  type DatasetStatistics,
  datasetStatistics,
  type SizeCounts,
  type Spread,
} from "./dataset/dataset-statistics";
export {
  datasetToJson,
  formatInstances,
  type InstancesAnnotation,
  type InstancesCategory,
  type InstancesFile,
  type InstancesImage,
} from "./dataset/instances-file";
export type { SegmentationTable } from "./dataset/segmentations";
export type { BadEntryPolicy, SkippedEntry } from "./dataset/skips";
export { filterForTraining, type TrainingFilterOptions } from "./dataset/training-filter";
export type { Curves } from "./evaluate/accumulate";
export { formatClassTable } from "./evaluate/class-table";
export { type ConfusionOptions, type ConfusionTable, confusionTable } from "./evaluate/confusion-table";
export { type CostAwareApOptions, type CostGroup, costAwareAp } from "./evaluate/cost-aware-ap";
export {
  ERROR_KINDS,
  type ErrorBreakdown,
  type ErrorBreakdownOptions,
  type ErrorKind,
  errorBreakdown,
} from "./evaluate/error-breakdown";
export { type EvaluationResult, evaluateDetections } from "./evaluate/evaluate";
export type { EvaluationTruth } from "./evaluate/evaluation-groups";
export type { EvaluationParams, ResolvedParams } from "./evaluate/evaluation-params";
export type { ImageEvaluation } from "./evaluate/image-evaluation";
export { type CurveSelection, type PrecisionRecallCurve, precisionRecallCurve } from "./evaluate/precision-recall";
export { type ClassStatistics, formatStatistics, STATISTIC_NAMES } from "./evaluate/statistics";
export {
  type CocoResult,
  type CocoResults,
  concatResults,
  type DetectionNames,
  detectionsToResults,
  parseResults,
  resultsToJson,
} from "./results/results";
export { type FormatResultsOptions, formatResults, type SubmissionName, submissionName } from "./results/results-text";
export { type BoxMap, mapBoxes, unmapBoxes } from "./transforms/box-map";
export { clipBoxes, flipBoxes, scaleBoxes, unscaleBoxes } from "./transforms/boxes";
export { compose, type MosaicTile, newSample, type Sample, type Transform } from "./transforms/sample";
export { normaliseImage, type PhotometricOptions, photometricDistortion } from "./transforms/transform-colour";
export { type MinIouCropOptions, minIouCrop } from "./transforms/transform-crop";
export { type CropWindow, cropSample, mirrorSample, padImage, randomFlip } from "./transforms/transform-frame";
export { type MosaicOptions, mosaic } from "./transforms/transform-mosaic";
export { multiScale, resizeImage, type SizeMode } from "./transforms/transform-resize";
