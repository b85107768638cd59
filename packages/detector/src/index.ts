// Every public name of @caddet/detector.
export { buildDetector, type ClassEntry, type DetectorBundle, deserializeDetector, serializeDetector } from "./build";
export { type ModelConfig, type ModelConfigInput, modelConfigSchema, parseModelConfig, supernetShape } from "./config";
export {
  composeDetector,
  type DetectionBatch,
  Detector,
  type DetectorOutput,
  type DetectorParts,
  type PyramidNeeds,
} from "./detector";
export { checkConfig } from "./schema";
