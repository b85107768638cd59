// Registration of the kernels for tfjs's webgpu backend: the fused operations that @caddet's layers and optimisers look for, and a repaired
// AddN.
import { AddN, getKernel, type KernelConfig, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { webgpuAddN } from "./additions";
import { webgpuGatedSum, webgpuGatedSumGrad } from "./gates";
import {
  webgpuBatchNorm,
  webgpuBatchNormGrad,
  webgpuGroupNorm,
  webgpuGroupNormGrad,
  webgpuLeanBatchNorm,
  webgpuLeanBatchNormGrad,
} from "./normalisation";
import { webgpuAdamW, webgpuMovingMoments, webgpuSgd, webgpuSumOfSquares } from "./optimiser";

const kernels: readonly KernelConfig[] = [
  webgpuBatchNorm,
  webgpuBatchNormGrad,
  webgpuLeanBatchNorm,
  webgpuLeanBatchNormGrad,
  webgpuGroupNorm,
  webgpuGroupNormGrad,
  webgpuMovingMoments,
  webgpuGatedSum,
  webgpuGatedSumGrad,
  webgpuSgd,
  webgpuAdamW,
  webgpuSumOfSquares,
];

const repaired = new WeakSet<KernelConfig>();

function repairAddN(): void {
  const present = getKernel(AddN, "webgpu");
  const config = present && !repaired.has(present) ? webgpuAddN() : undefined;
  if (!config) return;
  unregisterKernel(AddN, "webgpu");
  registerKernel(config);
  repaired.add(config);
}

/**
 * Registers our kernels for the backend `webgpu`, in place of compositions that ran there before. Calling it again changes nothing.
 * Import `@tensorflow/tfjs-backend-webgpu` before; programs are compiled when they first run.
 *
 * @example
 * ```ts
 * import "@tensorflow/tfjs-backend-webgpu";
 * registerWebgpuKernels();
 * await tf.setBackend("webgpu");
 * ```
 */
export function registerWebgpuKernels(): void {
  for (const config of kernels) {
    const present = getKernel(config.kernelName, "webgpu");
    if (present === config) continue;
    if (present) unregisterKernel(config.kernelName, "webgpu");
    registerKernel(config);
  }
  repairAddN();
}
