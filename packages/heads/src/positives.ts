// The part of a dense loss that only concerns predictions with a box: their rows, and sums of their losses by image. Internal.
// Which those are comes from assign.ts or retina-targets.ts.
import * as tf from "@tensorflow/tfjs-core";

/**
 * Joins the maps of all levels to one matrix, numbered by level, image, row, column (and anchor).
 *
 * @param maps one map `[B, H_l, W_l, A * channels]` a level
 * @param channels columns of the matrix
 * @returns `[N, channels]`
 */
export function joinLevels(maps: readonly tf.Tensor4D[], channels: number): tf.Tensor2D {
  return tf.concat(maps.map((map) => tf.reshape(map, [-1, channels]))) as tf.Tensor2D;
}

/**
 * Adds up losses by image, each times its weight, as one matrix product with `[B, P]`.
 *
 * @param losses `[P]`
 * @param weights `[P]`
 * @param images `[P]`, the image of each
 * @param batch how many images there are
 * @returns `[B]`, differentiable in the losses
 */
export function sumByImage(losses: tf.Tensor1D, weights: Float32Array, images: Int32Array, batch: number): tf.Tensor1D {
  const share = new Float32Array(batch * weights.length);
  weights.forEach((weight, p) => {
    share[images[p]! * weights.length + p] = weight;
  });
  const perImage = tf.matMul(tf.tensor2d(share, [batch, weights.length]), tf.expandDims<tf.Tensor2D>(losses, 1));
  return tf.squeeze(perImage, [1]);
}
