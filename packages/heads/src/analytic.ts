// A way to write a loss whose gradient is computed next to its value, so that the backward pass is one multiplication. Internal.
// TensorFlow.js' own gradients of such losses would keep and launch several times as much.
import * as tf from "@tensorflow/tfjs-core";

/**
 * Runs a loss of rows whose gradient comes with it.
 *
 * @param x the differentiable input, `[N]` or `[N, K]`
 * @param compute returns loss `[N]` and d loss[n] / d x[n], of x's shape
 * @returns the loss `[N]`, differentiable in x once
 */
export function withGradient(
  x: tf.Tensor,
  compute: (x: tf.Tensor) => readonly [loss: tf.Tensor, gradient: tf.Tensor],
): tf.Tensor1D {
  const run = tf.customGrad((...args) => {
    const [input, save] = args as unknown as [tf.Tensor, tf.GradSaveFunc];
    const [value, gradient] = compute(input);
    save([gradient]);
    return {
      value,
      gradFunc: (dy, saved) => {
        const [slope] = saved as [tf.Tensor];
        const row = slope.rank === 1 ? (dy as tf.Tensor) : tf.expandDims(dy as tf.Tensor, 1);
        return tf.mul(row, slope);
      },
    };
  });
  return run(x) as tf.Tensor1D;
}

/**
 * Takes rows of a matrix; no index may occur twice.
 *
 * @param x `[N, K]`
 * @param rows `[P]` int32, distinct
 * @returns `[P, K]`, differentiable in x
 */
export function gatherRows(x: tf.Tensor2D, rows: tf.Tensor1D): tf.Tensor2D {
  const { shape } = x;
  const run = tf.customGrad((...args) => {
    const [input, save] = args as unknown as [tf.Tensor2D, tf.GradSaveFunc];
    save([rows]);
    return {
      value: tf.gather(input, rows),
      // Scattering works because rows are distinct; unlike the gradient of tf.gather, every backend has it.
      gradFunc: (dy, saved) => tf.scatterND(tf.expandDims((saved as [tf.Tensor])[0], 1), dy as tf.Tensor, shape),
    };
  });
  return run(x) as tf.Tensor2D;
}
