// The backends that every tensor test of this package runs on, with TensorFlow.js' gradients registered. The last one has the
// runtime's fused kernels in place of the compositions.
import { registerGradients, registerWasmKernels } from "@caddet/runtime";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";

registerGradients();

export const backends = ["cpu", "wasm", "wasm with fused kernels"] as const;

let fused = false;

/** Runs a test body on a backend and checks that it leaves no tensor behind. */
export async function onBackend(name: (typeof backends)[number], body: () => Promise<void>): Promise<void> {
  if (name === "wasm" && fused) throw new Error("Fused kernels stay registered; run plain wasm before them.");
  if (name === "wasm with fused kernels") {
    registerWasmKernels();
    fused = true;
  }
  if (!(await tf.setBackend(name === "cpu" ? "cpu" : "wasm"))) throw new Error(`The ${name} backend did not start.`);
  const before = tf.memory().numTensors;
  await body();
  if (tf.memory().numTensors !== before) {
    throw new Error(`The test left ${tf.memory().numTensors - before} tensors behind.`);
  }
}
