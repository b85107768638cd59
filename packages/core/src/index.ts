// Every public name of @caddet/core.
export type {
  Backbone,
  BackboneOutput,
  BudgetMapping,
  BudgetSample,
  Collective,
  DetectionHead,
  Detections,
  FeaturePyramid,
  GroundTruth,
  HeadLoss,
  ImageSize,
  Neck,
  RouteCost,
  RoutedOutput,
  RouteGates,
  Router,
  RoutingInfo,
} from "./contracts";
export { singleProcess } from "./contracts";
export { adaptiveAveragePool, conv2d, depthwiseConv2d, resizeBilinear } from "./convolution";
export {
  CaddetError,
  CheckpointError,
  ConfigError,
  DatasetError,
  type ErrorDetails,
  NonFiniteError,
  ShapeError,
} from "./errors";
export { gatedSum } from "./gated-sum";
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
export { defineOperation, type KernelInputs, type OperationDefinition } from "./kernels";
export {
  BatchNorm,
  type BatchNormApplyOptions,
  type BatchNormLayerOptions,
  Conv,
  type ConvOptions,
  DepthwiseConv,
  type DepthwiseConvOptions,
  GroupNorm,
  Linear,
  type LinearOptions,
  type WeightInit,
} from "./layers";
export { tidy } from "./memory";
export { type LoadReport, Module, type Parameter, type ParameterKind, readState } from "./module";
export { type Activation, type BatchNormOptions, batchNorm, type GroupNormOptions, groupNorm } from "./norm";
export { createRandom, type Random, type RandomState, restoreRandom } from "./random";
export {
  parseSafetensors,
  type Safetensors,
  type SafetensorsType,
  type StoredArray,
  serializeSafetensors,
} from "./safetensors";
export { fromTorchLayout, type TorchLayout } from "./torch-layout";
