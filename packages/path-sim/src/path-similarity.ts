// How alike the routes of a batch are: the cosine of their gates (Eq. 6). No epsilon: a route with all gates at zero has
// similarity 0 with every route, itself included, and passes no gradient; all others are exact.
import { ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

// Rows of length 1, or 0 where the row is zero. Its own gradient, since sqrt's is not finite at 0. [B, P]
const unitRows = tf.customGrad((x, save) => {
  const rows = x as tf.Tensor2D;
  const square = tf.sum(tf.square(rows), 1, true); // [B, 1]
  const open = tf.step(square); // [B, 1], 0 for a zero row
  const inverse = tf.mul(open, tf.rsqrt(tf.add(square, tf.sub(1, open))));
  const unit = tf.mul(rows, inverse);
  (save as tf.GradSaveFunc)([unit, inverse]);
  return {
    value: unit,
    gradFunc: (dy, saved) => {
      const [u, scale] = saved as unknown as [tf.Tensor2D, tf.Tensor2D];
      const along = tf.sum(tf.mul(dy as tf.Tensor, u), 1, true); // [B, 1]
      return tf.mul(tf.sub(dy as tf.Tensor, tf.mul(u, along)), scale);
    },
  };
});

/**
 * The cosine similarity of the routes of every pair of images (Eq. 6).
 *
 * @param gates `[B, P]`, any gates of any dynamic network, usually in [0, 1]
 * @returns `[B, B]`, symmetric, in [-1, 1] (in [0, 1] for gates that are not negative), differentiable; 0 in the row and
 * column of an image whose gates are all 0
 * @throws ShapeError when the gates are no non-empty matrix
 * @example pathSimilarity(tf.tensor2d([[1, 0], [1, 1]])) // 1, 0.707, 0.707, 1
 */
export function pathSimilarity(gates: tf.Tensor2D): tf.Tensor2D {
  if (gates.rank !== 2 || gates.size === 0) {
    throw new ShapeError(`pathSimilarity needs gates [B, P], neither of them 0, got [${gates.shape}].`);
  }
  return tf.tidy(() => {
    const unit = unitRows(gates);
    return tf.matMul(unit, unit, false, true) as tf.Tensor2D;
  });
}
