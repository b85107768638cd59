// The backends that every tensor test of this package runs on, with TensorFlow.js' gradients registered.
import { registerGradients } from "@caddet/runtime";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";

registerGradients();

export const backends = ["cpu", "wasm"] as const;

/** Runs a test body on a backend and checks that it leaves no tensor behind. */
export async function onBackend(name: (typeof backends)[number], body: () => Promise<void>): Promise<void> {
  if (!(await tf.setBackend(name))) throw new Error(`The ${name} backend did not start.`);
  const before = tf.memory().numTensors;
  await body();
  if (tf.memory().numTensors !== before) {
    throw new Error(`The test left ${tf.memory().numTensors - before} tensors behind.`);
  }
}
