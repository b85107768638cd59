// What of @caddet/core needs no TensorFlow: types, errors, randomness, safetensors, image geometry. Packages without tensors import this.
export type {
  BudgetMapping,
  BudgetSample,
  Collective,
  Detections,
  GroundTruth,
  ImageSize,
  RouteCost,
  RoutingInfo,
} from "./contracts";
export {
  CaddetError,
  CheckpointError,
  ConfigError,
  DatasetError,
  type ErrorDetails,
  NonFiniteError,
  ShapeError,
} from "./errors";
export {
  IMAGENET_NORMALISATION,
  type Normalisation,
  normalisationTable,
  type PixelPlace,
  paddedSize,
  type ResizedSize,
  resizedSize,
  type Size,
  type TargetSize,
  writePixels,
} from "./image-input";
export { createRandom, type Random, type RandomState, restoreRandom } from "./random";
export {
  parseSafetensors,
  type Safetensors,
  type SafetensorsType,
  type StoredArray,
  serializeSafetensors,
} from "./safetensors";
