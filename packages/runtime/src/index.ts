// The public names of @caddet/runtime that a browser can use, too. Choosing a backend in Node is in `./node`.
export { RuntimeError, type RuntimeErrorCode, type RuntimeErrorDetails } from "./errors";
export { registerFallbackKernels } from "./fallback-kernels";
export { registerGradients } from "./gradients";
export { registerWasmKernels } from "./kernels";
export { registerNativeKernels } from "./kernels/native";
export { registerWebgpuKernels } from "./kernels/webgpu";
