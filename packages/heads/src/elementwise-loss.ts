// Losses of single numbers: binary cross-entropy on logits (FCOS's centerness) and the absolute difference (RetinaNet's boxes).
// Neither averages: the heads weigh and divide.
import { ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./analytic";

function sameShape(a: tf.Tensor, b: tf.Tensor, what: string): void {
  if (a.shape.length !== b.shape.length || a.shape.some((d, i) => d !== b.shape[i])) {
    throw new ShapeError(`${what} needs two tensors of one shape, got [${a.shape}] and [${b.shape}].`);
  }
}

/**
 * Computes the cross-entropy between a sigmoid and a probability.
 *
 * @param logits `[N]`
 * @param targets `[N]` in [0, 1]
 * @returns `[N]`, differentiable in the logits once
 * @throws ShapeError when the shapes differ
 * @example binaryCrossEntropy(tf.tensor1d([0.3]), tf.tensor1d([1]))
 */
export function binaryCrossEntropy(logits: tf.Tensor1D, targets: tf.Tensor1D): tf.Tensor1D {
  sameShape(logits, targets, "The cross-entropy");
  // softplus(x) - x · t is -t · log σ(x) - (1 - t) · log(1 - σ(x)).
  return withGradient(logits, (x) => [tf.sub(tf.softplus(x), tf.mul(x, targets)), tf.sub(tf.sigmoid(x), targets)]);
}

/**
 * Computes the absolute differences of rows.
 *
 * @param values `[N, K]`
 * @param targets `[N, K]`
 * @param weights `[N, K]`, default all 1
 * @returns `[N]`, summed over each row, differentiable in the values once; the slope at 0 is 0
 * @throws ShapeError when the shapes differ
 * @example l1Loss(tf.tensor2d([[1, 2]]), tf.tensor2d([[0, 4]])) // 3
 */
export function l1Loss(values: tf.Tensor2D, targets: tf.Tensor2D, weights?: tf.Tensor2D): tf.Tensor1D {
  sameShape(values, targets, "The L1 loss");
  if (weights) sameShape(values, weights, "The L1 loss");
  return withGradient(values, (x) => {
    const difference = tf.sub(x, targets);
    const size = tf.abs(difference);
    const slope = tf.sign(difference);
    return weights ? [tf.sum(tf.mul(size, weights), 1), tf.mul(slope, weights)] : [tf.sum(size, 1), slope];
  });
}
