// Registration of the WebAssembly kernels with TensorFlow.js: what its wasm backend lacks for training, faster versions
// of what is slow there, and the fused kernels that @caddet's layers look for.
import { getKernel, type KernelConfig, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { conv2DBackpropFilterKernel, conv2DBackpropInputKernel } from "./convolution";
import {
  conv2DKernel,
  depthwiseConv2dKernel,
  fusedConv2DKernel,
  fusedDepthwiseConv2DKernel,
} from "./convolution-forward";
import { gatherKernel, tileKernel } from "./copies";
import { depthwiseBackpropFilterKernel, depthwiseBackpropInputKernel } from "./depthwise";
import { maximumKernel, minimumKernel } from "./extrema";
import { focalLossKernel } from "./focal-loss";
import { gatedSumGradKernel, gatedSumKernel } from "./gates";
import { identityKernel } from "./identity";
import { batchMatMulKernel } from "./matmul";
import {
  batchNormGradKernel,
  batchNormKernel,
  groupNormGradKernel,
  groupNormKernel,
  leanBatchNormGradKernel,
  leanBatchNormKernel,
  movingMomentsKernel,
} from "./normalisation";
import { adamWKernel, sgdKernel, sumOfSquaresKernel } from "./optimiser";
import { meanKernel, sumKernel } from "./reduction";
import {
  adaptivePoolGradKernel,
  adaptivePoolKernel,
  resizeBilinearGradKernel,
  tfjsResizeGradKernel,
} from "./resampling";
import { unsortedSegmentSumKernel } from "./segment-sum";
import { sepConvKernel } from "./separable";

const own = new WeakSet<KernelConfig>();

const kernels: readonly KernelConfig[] = [
  conv2DBackpropFilterKernel,
  conv2DBackpropInputKernel,
  depthwiseBackpropFilterKernel,
  depthwiseBackpropInputKernel,
  unsortedSegmentSumKernel,
  batchNormKernel,
  batchNormGradKernel,
  leanBatchNormKernel,
  leanBatchNormGradKernel,
  groupNormKernel,
  groupNormGradKernel,
  movingMomentsKernel,
  sepConvKernel,
  gatedSumKernel,
  gatedSumGradKernel,
  sgdKernel,
  adamWKernel,
  sumOfSquaresKernel,
  focalLossKernel,
  resizeBilinearGradKernel,
  adaptivePoolKernel,
  adaptivePoolGradKernel,
];

const replacements: readonly (() => KernelConfig)[] = [
  identityKernel,
  batchMatMulKernel,
  conv2DKernel,
  fusedConv2DKernel,
  depthwiseConv2dKernel,
  fusedDepthwiseConv2DKernel,
  sumKernel,
  meanKernel,
  tfjsResizeGradKernel,
  gatherKernel,
  tileKernel,
  maximumKernel,
  minimumKernel,
];

/**
 * Registers our kernels for the backend `wasm`, in place of tfjs's where it has one. Calling it again changes nothing.
 * Import `@tensorflow/tfjs-backend-wasm` before; the module itself is compiled when the first kernel runs.
 *
 * @example
 * ```ts
 * import "@tensorflow/tfjs-backend-wasm";
 * registerWasmKernels();
 * await tf.setBackend("wasm");
 * ```
 */
export function registerWasmKernels(): void {
  for (const config of [...kernels, ...replacements.map((make) => make())]) {
    const present = getKernel(config.kernelName, "wasm");
    if (present && own.has(present)) continue;
    if (present) unregisterKernel(config.kernelName, "wasm");
    registerKernel(config);
    own.add(config);
  }
}
