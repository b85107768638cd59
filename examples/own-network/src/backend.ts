// Makes TensorFlow.js ready: @tensorflow/tfjs registers the gradients, which tfjs-core alone does not in Node, and wasm computes.
import "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";

/**
 * Takes the wasm backend.
 *
 * @returns its name
 * @throws Error when WebAssembly is not there
 */
export async function prepare(): Promise<string> {
  if (!(await tf.setBackend("wasm")))
    throw new Error("The wasm backend does not start here: is WebAssembly switched off?");
  await tf.ready();
  return tf.getBackend();
}
