// Doubles a map by repeating its cells, cut to the size of the finer map. Made of concatenations: TensorFlow.js' own nearest-neighbour
// resizing has no gradient kernel on wasm, and a wrong one on cpu for more than one image.
import { ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/**
 * Repeats each cell twice, down and across.
 *
 * @param x `[B, h, w, C]`
 * @param size `[H, W]` of the result: twice the map's, or one less
 * @returns `[B, H, W, C]`, differentiable; equal to PyTorch's nearest interpolation to that size
 * @throws ShapeError when the size is another
 * @example upsampleNearest(x, [25, 38]) // of [B, 13, 19, C]
 */
export function upsampleNearest(x: tf.Tensor4D, [height, width]: readonly [number, number]): tf.Tensor4D {
  const [b, h, w, c] = x.shape;
  if (h !== Math.ceil(height / 2) || w !== Math.ceil(width / 2)) {
    throw new ShapeError(
      `A map of ${h} x ${w} cells cannot be doubled to ${height} x ${width}; give levels whose sides halve, rounded up.`,
      { from: [h, w], to: [height, width] },
    );
  }
  return tf.tidy(() => {
    const columns = tf.reshape(tf.concat([x, x], 3), [b, h, 2 * w * c]); // each cell beside itself
    const rows: tf.Tensor4D = tf.reshape(tf.concat([columns, columns], 2), [b, 2 * h, 2 * w, c]); // each row below itself
    return 2 * h === height && 2 * w === width ? rows : tf.slice4d(rows, [0, 0, 0, 0], [b, height, width, c]);
  });
}
