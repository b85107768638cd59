// Every public name of @caddet/coco/node: data sets, results and images from files.
export { type CheckOptions, type CheckReport, checkDataset, type SplitSummary } from "./check/check-dataset";
export type { Finding, FindingCount, FindingReason, Severity } from "./check/check-findings";
export { type ReadVocOptions, readVocFolder } from "./convert/voc-folder";
export { type ReadYoloOptions, readYoloFolder } from "./convert/yolo-folder";
export {
  type ImageDataset,
  type LoadAnnotationsOptions,
  loadAnnotations,
  loadDataset,
  loadResults,
} from "./dataset/files";
export { writeInstances } from "./dataset/instances-writer";
export { findSplits, type SplitPaths, splitPaths } from "./dataset/splits";
export { type DownloadOptions, downloadDataset } from "./download/download";
export { type Archive, type ArchiveChecksum, COCO_ARCHIVES, COCO_BASE_URL } from "./download/download-archives";
export { DownloadError, type DownloadFault } from "./download/download-error";
export type { DownloadedArchive, DownloadProgress } from "./download/download-unpack";
export { type EvaluateFilesOptions, evaluateFiles, type FileEvaluation } from "./evaluation";
export { type ImageFault, ImageFileError, readImageInside } from "./images/image-file";
export { type LoadedImage, type LoadImageOptions, loadImage } from "./images/load-image";
export { SharpMissingError } from "./images/sharp-module";
export { type Batch, createLoader, type Loader } from "./loader/loader";
export type { BadImagePolicy, LoaderOptions, SkippedImage } from "./loader/loader-options";
export { writeResults, writeSubmission } from "./results/results-file";
