// The backends that run in Node, in the order of preference, and what each is called elsewhere. No detection here.

/** The backends in the order in which `auto` tries them. */
export const BACKENDS = ["tfjs-node-gpu", "tfjs-node", "webgpu", "wasm", "cpu"] as const;

/** A backend by this package's name for it. */
export type BackendName = (typeof BACKENDS)[number];

/** TensorFlow.js' names of the backends. */
export const TF_BACKENDS: Record<BackendName, string> = {
  "tfjs-node-gpu": "tensorflow",
  "tfjs-node": "tensorflow",
  webgpu: "webgpu",
  wasm: "wasm",
  cpu: "cpu",
};

/** The npm packages that bring the backends; the optional ones are not dependencies of this package. */
export const PACKAGES: Record<BackendName, string> = {
  "tfjs-node-gpu": "@tensorflow/tfjs-node-gpu",
  "tfjs-node": "@tensorflow/tfjs-node",
  webgpu: "webgpu",
  wasm: "@tensorflow/tfjs-backend-wasm",
  cpu: "@tensorflow/tfjs-backend-cpu",
};

/** What makes a backend that is missing or broken work, a sentence each. */
export const HINTS: Record<BackendName, string> = {
  "tfjs-node-gpu":
    "Run `npm install @tensorflow/tfjs-node-gpu` on a machine with an NVIDIA GPU, its driver, CUDA 11 and cuDNN 8.",
  "tfjs-node":
    "Run `npm install @tensorflow/tfjs-node`, or `npm rebuild @tensorflow/tfjs-node` where only its native addon is missing.",
  webgpu: "Run `npm install webgpu`, and install a Vulkan, Metal or Direct3D 12 driver.",
  wasm: "Reinstall @tensorflow/tfjs-backend-wasm: its .wasm files lie next to its code.",
  cpu: "Reinstall @tensorflow/tfjs-backend-cpu.",
};
