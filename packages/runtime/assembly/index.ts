// Exports of the kernel module. All pointers are byte addresses in the heap of the TensorFlow.js wasm backend; the module
// holds no data of its own and allocates nothing.
export {
  conv2d,
  conv2dBackpropFilter,
  conv2dBackpropFilterScratch,
  conv2dBackpropInput,
  conv2dBackpropInputScratch,
  conv2dScratch,
} from "./convolution";
export { matMul, matMulScratch } from "./matmul";
export { DEPTHWISE_SCRATCH, depthwise, depthwiseBackpropInput } from "./depthwise";
export { sepConv, sepConvScratch } from "./separable";
export { DEPTHWISE_FILTER_SCRATCH, depthwiseBackpropFilter } from "./depthwise-filter";
export { multiplierBackpropFilter, multiplierBackpropInput } from "./multiplier";
export { fill, gatherSlices, repeatSlices, segmentSum } from "./plain";
export { FOCAL_SCRATCH, focalLoss } from "./focal";
export { gatedSum, gatedSumGrad } from "./gates";
export { mix } from "./mixing";
export { norm, normGrad, normScratch } from "./normalisation";
export { adamW, sgd, sumOfSquares } from "./optimiser";
export { biasAndClamp } from "./channels";
export { columnSums, columnSumsScratch, rowSums } from "./reduction";
export { adaptivePool, adaptivePoolGrad, resizeBilinearGrad } from "./resampling";
export { extremum } from "./extrema";
