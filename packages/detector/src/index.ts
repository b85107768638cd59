// Every public name of @caddet/detector.
export { type BuildOptions, buildDetector } from "./build";
export {
  type ModelConfig,
  type ModelConfigInput,
  type ModelParts,
  parseModelConfig,
} from "./config";
export {
  composeDetector,
  type DetectionBatch,
  Detector,
  type DetectorOutput,
  type DetectorParts,
  type PyramidNeeds,
} from "./detector";
export {
  type ClassEntry,
  type DeserializedDetector,
  type DeserializeOptions,
  type DetectorBundle,
  type DetectorFile,
  type DetectorToSave,
  deserializeDetector,
  readDetectorFile,
  serializeDetector,
} from "./file";
export { verifyDetectorFile } from "./file-hash";
export { type LoadWeightsOptions, loadWeights, type WeightsReport } from "./load-weights";
