// Every public name of @caddet/inferencer; files, folders and videos are under @caddet/inferencer/node.
export { type CreateDetectorOptions, createDetector, type EngineChoice } from "./create-detector";
export type { DetectEachOptions, EachResult } from "./detect-each";
export type { Engine, EngineAnswer, EngineBatch } from "./engine";
export type { DetectedObject, DetectOptions, InferenceResult } from "./inference-result";
export {
  type BatchOptions,
  createInferencer,
  type Inferencer,
  type InferencerOptions,
  type PreparationOptions,
} from "./inferencer";
export {
  createOnnxEngine,
  type OnnxEngineOptions,
  type OnnxRuntime,
  type OnnxSession,
  type OnnxTensor,
} from "./onnx-engine";
export * from "./sources";
export { createTfjsEngine, type TfjsEngineOptions } from "./tfjs-engine";
