// Every public name of @caddet/inferencer/node: those of @caddet/inferencer, of which createDetector and createInferencer take files
// here, and what reads files, folders and videos.
export * from "./index";
export { type CreateDetectorOptions, createDetector, createInferencer } from "./node/create-detector";
export type { NodeImageInput } from "./node/image-input";
export * from "./node/index";
export type { ModelSource } from "./node/model-source";
