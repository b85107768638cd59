// The backends that every tensor test of this package runs on: those that work here, with TensorFlow.js' gradients registered.
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { inject } from "vitest";

export const backends = inject("backends");

/** Runs a test body on a backend and checks that it leaves no tensor behind. */
export async function onBackend(name: BackendName, body: () => Promise<void>): Promise<void> {
  await prepareBackend({ backend: name });
  const before = tf.memory().numTensors;
  await body();
  if (tf.memory().numTensors !== before) {
    throw new Error(`The test left ${tf.memory().numTensors - before} tensors behind.`);
  }
}
