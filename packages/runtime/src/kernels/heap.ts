// The heap of a TensorFlow.js wasm backend and our kernel module instantiated on it: addresses of tensors, outputs and
// scratch. Nothing here keeps a view of the memory, because the heap grows.

import type { DataType, KernelConfig, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { getKernel } from "@tensorflow/tfjs-core";
import { RuntimeError } from "../errors";
import { instantiateKernels, type KernelExports } from "./module";

/** The part of tfjs's wasm backend that the kernels use. */
export interface WasmBackend {
  readonly wasm: {
    readonly asm: { readonly memory: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: DataType): TensorInfo;
}

/** A wasm backend with our module on its memory. */
export interface Heap {
  readonly backend: WasmBackend;
  readonly exports: KernelExports;
  /** 64 bytes for a convolution's geometry, kept as long as the backend. */
  readonly parameters: number;
}

const PARAMETER_BYTES = 64;
const heaps = new WeakMap<object, Heap>();

/**
 * Our module on a backend's memory, instantiated at the first call.
 *
 * @param backend a tfjs wasm backend
 * @throws RuntimeError `simd-missing` where WebAssembly has no SIMD, `backend-wrong` where it is no wasm backend
 */
export function heapOf(backend: object): Heap {
  let heap = heaps.get(backend);
  if (!heap) {
    const wasmBackend = backend as WasmBackend;
    const memory = wasmBackend.wasm?.asm?.memory;
    if (!memory) {
      throw new RuntimeError(
        "backend-wrong",
        "Got a backend without a WebAssembly heap; expected the one of @tensorflow/tfjs-backend-wasm 4.22. " +
          "Check that the backend registered as 'wasm' is that package.",
      );
    }
    const exports = instantiateKernels(memory);
    heap = { backend: wasmBackend, exports, parameters: wasmBackend.wasm._malloc(PARAMETER_BYTES) >>> 0 };
    heaps.set(backend, heap);
  }
  return heap;
}

/** The byte address of a tensor's values; valid until the tensor is disposed. */
export function addressOf(heap: Heap, tensor: TensorInfo): number {
  return heap.backend.dataIdMap.get(tensor.dataId).memoryOffset;
}

/** A new tensor of undefined values. */
export function makeOutput(heap: Heap, shape: readonly number[], dtype: DataType = "float32"): TensorInfo {
  return heap.backend.makeOutput([...shape], dtype);
}

/** Runs `use` with scratch of at least `bytes` bytes, and frees it. */
export function withScratch<T>(heap: Heap, bytes: number, use: (scratch: number) => T): T {
  const { wasm } = heap.backend;
  const scratch = wasm._malloc(Math.max(bytes, 16)) >>> 0;
  if (scratch === 0) {
    throw new RuntimeError(
      "kernel-input",
      `The WebAssembly heap has no room for ${bytes} bytes of scratch; use a smaller batch.`,
    );
  }
  try {
    return use(scratch);
  } finally {
    wasm._free(scratch);
  }
}

/** Element count of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** The named input, or an error that names the kernel. */
export function inputOf(
  kernel: string,
  inputs: NamedTensorInfoMap,
  name: string,
  dtype: DataType = "float32",
): TensorInfo {
  const tensor = inputs[name];
  if (tensor?.dtype !== dtype) {
    throw new RuntimeError(
      "kernel-input",
      `${kernel} got ${tensor ? `${tensor.dtype} for` : "no"} input '${name}'; expected a ${dtype} tensor.`,
    );
  }
  return tensor;
}

/** What a kernel computes from named inputs and attributes. */
export type WasmKernel = (heap: Heap, inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => TensorInfo | TensorInfo[];

/** A tfjs kernel of the wasm backend around a function over our heap. */
export function wasmKernel(kernelName: string, run: WasmKernel): KernelConfig {
  return {
    kernelName,
    backendName: "wasm",
    kernelFunc: ({ inputs, backend, attrs }) => run(heapOf(backend as object), inputs, attrs ?? {}),
  };
}

/**
 * A kernel in place of one of tfjs's. Where `run` returns undefined (a case that is not ours), the one that was
 * registered before computes it.
 */
export function replacement(
  kernelName: string,
  run: (...call: Parameters<WasmKernel>) => ReturnType<WasmKernel> | undefined,
): () => KernelConfig {
  return () => {
    const original = getKernel(kernelName, "wasm");
    return {
      kernelName,
      backendName: "wasm",
      ...(original?.setupFunc && { setupFunc: original.setupFunc }),
      ...(original?.disposeFunc && { disposeFunc: original.disposeFunc }),
      kernelFunc: (call) => {
        const own = run(heapOf(call.backend as object), call.inputs, call.attrs ?? {});
        if (own) return own;
        if (original) return original.kernelFunc(call);
        throw new RuntimeError(
          "kernel-unsupported",
          `${kernelName} got a case that the wasm kernels leave to tfjs, but tfjs's kernel is not registered. ` +
            "Import @tensorflow/tfjs-backend-wasm before registerWasmKernels().",
        );
      },
    };
  };
}
