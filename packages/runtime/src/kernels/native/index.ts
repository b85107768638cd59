// Registration of the kernels for tfjs-node: the fused operations that @caddet's layers look for, and cheaper forms of some kernels
// that training launches often.
import { findBackend, getKernel, type KernelConfig, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { isNativeCpu } from "./backend";
import { nativeElementwise } from "./elementwise";
import { nativeGatedSum, nativeGatedSumGrad } from "./gates";
import { nativeGroupNorm, nativeGroupNormGrad } from "./group-normalisation";
import { nativeBatchNorm, nativeBatchNormGrad } from "./normalisation";
import { nativeMovingMoments, nativeSgd, nativeSumOfSquares } from "./optimiser";
import { nativeProducts } from "./products";
import { nativeAdaptivePool, nativeAdaptivePoolGrad, nativeResizeBilinearGrad } from "./resampling";

const own = new WeakSet<KernelConfig>();

const kernels: readonly KernelConfig[] = [
  nativeBatchNorm,
  nativeBatchNormGrad,
  nativeGroupNorm,
  nativeGroupNormGrad,
  nativeGatedSum,
  nativeGatedSumGrad,
  nativeMovingMoments,
  nativeSgd,
  nativeSumOfSquares,
  nativeResizeBilinearGrad,
  nativeAdaptivePool,
  nativeAdaptivePoolGrad,
];

const replacements = [...nativeProducts, ...nativeElementwise];

/**
 * Registers our kernels for the backend `tensorflow`, where that is tfjs-node on a CPU; elsewhere, and when called again, nothing
 * changes. On a GPU the compositions run, whose saved values do not depend on the device.
 *
 * @returns whether the kernels are registered now
 * @example
 * ```ts
 * import "@tensorflow/tfjs-node";
 * registerNativeKernels();
 * ```
 */
export function registerNativeKernels(): boolean {
  const backend = findBackend("tensorflow") as object | null;
  if (!backend || !isNativeCpu(backend)) return false;
  const replace = (config: KernelConfig) => {
    if (getKernel(config.kernelName, "tensorflow")) unregisterKernel(config.kernelName, "tensorflow");
    registerKernel(config);
    own.add(config);
  };
  const isOwn = (kernelName: string) => {
    const present = getKernel(kernelName, "tensorflow");
    return present !== undefined && own.has(present);
  };
  for (const config of kernels) if (!isOwn(config.kernelName)) replace(config);
  for (const { name, make } of replacements) if (!isOwn(name)) replace(make());
  return true;
}
