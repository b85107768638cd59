// Every public name of @caddet/coco/evaluate/node: the evaluation of files without the rest of ./node, for a quick start.

export { formatClassTable } from "./evaluate/class-table";
export { type ConfusionTable, confusionTable } from "./evaluate/confusion-table";
export { ERROR_KINDS, type ErrorBreakdown, type ErrorKind, errorBreakdown } from "./evaluate/error-breakdown";
export { type EvaluateFilesOptions, evaluateFiles, type FileEvaluation } from "./evaluate/evaluate-files";
export { formatStatistics } from "./evaluate/statistics";
