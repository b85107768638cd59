// Every public name of @caddet/core.
export * from "./base";
export { checkpointed, isRecomputing } from "./checkpointed";
export {
  type Compiled,
  type CompiledOptions,
  compiled,
  type GraphPlan,
  type GraphProgram,
  type GraphRecorder,
  type GraphRecording,
} from "./compiled";
export type {
  Backbone,
  BackboneContext,
  BackboneFactory,
  BackboneOutput,
  DetectionHead,
  FeaturePyramid,
  FrozenBackbone,
  HeadContext,
  HeadFactory,
  HeadLoss,
  Neck,
  NeckContext,
  NeckFactory,
  PartConfig,
  PartFactory,
  RoutedOutput,
  RouteGates,
  Router,
} from "./contracts";
export { singleProcess } from "./contracts";
export { adaptiveAveragePool, conv2d, depthwiseConv2d, resizeBilinear } from "./convolution";
export { gatedSum } from "./gated-sum";
export { variableGrads } from "./gradients";
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
export { meanGradients } from "./mean-gradients";
export { tidy } from "./memory";
export { type LoadReport, Module, type Parameter, type ParameterKind, readState } from "./module";
export { type Activation, type BatchNormOptions, batchNorm, type GroupNormOptions, groupNorm } from "./norm";
export { readNow } from "./read-now";
export { type ReduceSum, type SyncedBatchNormOptions, syncedBatchNorm } from "./synced-norm";
export { fromTorchLayout, type TorchLayout } from "./torch-layout";
