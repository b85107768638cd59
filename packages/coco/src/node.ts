// Every public name of @caddet/coco/node: data sets, results and images from files.
export { type ImageDataset, loadAnnotations, loadDataset, loadResults, readJson } from "./files";
export { type ImageFault, ImageFileError } from "./image-file";
export { type LoadedImage, type LoadImageOptions, loadImage } from "./load-image";
export { type Batch, createLoader, type Loader } from "./loader";
export type { BadImagePolicy, LoaderOptions, SkippedImage } from "./loader-options";
