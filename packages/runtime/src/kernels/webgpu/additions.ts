// AddN of more tensors than a program can bind: tfjs's webgpu backend makes one program of them all, which the device refuses without an
// error that reaches the caller, and the sum is garbage. Here its own kernel runs several times.
import { AddN, getKernel, type KernelConfig, type NamedTensorInfoMap, type TensorInfo } from "@tensorflow/tfjs-core";
import type { WebgpuBackend } from "./program";

/** A kernel around the one that is registered now; undefined where there is none. */
export function webgpuAddN(): KernelConfig | undefined {
  const original = getKernel(AddN, "webgpu");
  if (!original) return undefined;
  return {
    ...original,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { device, disposeData } = backend as WebgpuBackend;
      const most = device.limits.maxStorageBuffersPerShaderStage - 1;
      const tensors = inputs as unknown as TensorInfo[];
      const add = (part: TensorInfo[]) =>
        original.kernelFunc({ inputs: part as unknown as NamedTensorInfoMap, backend, attrs }) as TensorInfo;
      let sum = add(tensors.slice(0, most));
      for (let at = most; at < tensors.length; at += most - 1) {
        const next = add([sum, ...tensors.slice(at, at + most - 1)]);
        disposeData.call(backend, sum.dataId);
        sum = next;
      }
      return sum;
    },
  };
}
