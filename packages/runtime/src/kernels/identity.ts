// Identity without a copy: the result shares its values, as on tfjs's other backends. Every tensor that a gradient saves goes through
// this kernel, and tfjs's own copies each of them.
import { getKernel, type KernelConfig, type TensorInfo } from "@tensorflow/tfjs-core";

interface Counted {
  incRef(dataId: object): void;
}

/** Replaces tfjs's kernel; strings stay with it. */
export function identityKernel(): KernelConfig {
  const tfjs = getKernel("Identity", "wasm");
  return {
    kernelName: "Identity",
    backendName: "wasm",
    kernelFunc: (args) => {
      const x = args.inputs.x as TensorInfo;
      if (x.dtype === "string") return tfjs!.kernelFunc(args);
      (args.backend as unknown as Counted).incRef(x.dataId);
      return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
    },
  };
}
