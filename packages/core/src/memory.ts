// tf.tidy for results that are typed interfaces: TensorFlow.js' own type takes only index-signature records.
import * as tf from "@tensorflow/tfjs-core";

/**
 * Runs a function and frees every tensor that it made, except those in its result.
 *
 * @param run a synchronous function
 * @returns its result; tensors anywhere inside it stay alive
 * @example const { features } = tidy(() => backbone.forward(images, { training: false }));
 */
export function tidy<T>(run: () => T): T {
  return tf.tidy(run as unknown as () => tf.TensorContainer) as unknown as T;
}
