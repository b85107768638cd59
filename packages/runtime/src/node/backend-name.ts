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

/** What libtensorflow needs to compute on a GPU. */
export const CUDA_HINT =
  "A GPU needs NVIDIA's driver, and CUDA 11 with cuDNN 8 (npm's library) or CUDA 12.2 with cuDNN 8.9 (that of `npx caddet runtime install native --gpu`); the README of @caddet/runtime says how.";

/** What makes a backend that is missing or broken work, a sentence each. */
export const HINTS: Record<BackendName, string> = {
  "tfjs-node-gpu": `Run \`npm install @tensorflow/tfjs-node-gpu\`, or \`npm rebuild @tensorflow/tfjs-node-gpu\` where only its addon is missing. ${CUDA_HINT}`,
  "tfjs-node":
    "Run `npm install @tensorflow/tfjs-node`, or `npm rebuild @tensorflow/tfjs-node` where only its native addon is missing.",
  webgpu: "Run `npm install webgpu`, and install a Vulkan, Metal or Direct3D 12 driver.",
  wasm: "Reinstall @tensorflow/tfjs-backend-wasm: its .wasm files lie next to its code.",
  cpu: "Reinstall @tensorflow/tfjs-backend-cpu.",
};
