// The backends that the tests run on, with the gradients and kernels that TensorFlow.js lacks there.
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import { registerGradients, registerWasmKernels } from "@caddet/runtime";
import * as tf from "@tensorflow/tfjs-core";

/** Names of the backends; both are here wherever npm is. */
export const BACKENDS = ["cpu", "wasm"] as const;

/** Makes a backend the current one. */
export async function useBackend(name: (typeof BACKENDS)[number]): Promise<void> {
  registerGradients();
  registerWasmKernels();
  if (!(await tf.setBackend(name))) throw new Error(`The backend ${name} did not start.`);
}
