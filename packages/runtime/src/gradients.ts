// Registration of TensorFlow.js' own gradients. `@tensorflow/tfjs-core` alone registers none in Node; `@tensorflow/tfjs`
// does. Nothing is corrected here: a gradient that is wrong on one backend stays so.
import { registerAllGradients } from "./generated/gradients";

/**
 * Registers the gradients of TensorFlow.js' kernels, for all backends. One that is registered already is left as it is,
 * so that calling it again, or after `@tensorflow/tfjs` was imported, changes nothing.
 *
 * @example
 * ```ts
 * registerGradients();
 * const slope = tf.grad((x) => tf.square(x))(tf.scalar(3)); // 6
 * ```
 */
export function registerGradients(): void {
  registerAllGradients();
}
