// How alike two images are by the object sizes in them (Eq. 5), and what that asks of their routes (Eq. 8). Constants of the loss,
// as tensors: all pairs are one matrix product.
import { ConfigError, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/**
 * The share of scale intervals on which two images agree, for every pair: `sum(S_i XNOR S_j) / m` (Eq. 5).
 *
 * @param encodings B arrays `[m]`, 0 where an image has no object in the interval, anything else where it has
 * @returns `[B, B]` in [0, 1], symmetric, 1 on the diagonal; two images without objects have similarity 1
 * @throws ShapeError when the encodings are empty or differ in length
 * @example scaleSimilarity([[1, 0, 0, 0], [1, 1, 0, 0]]) // 1, 0.75, 0.75, 1
 */
export function scaleSimilarity(encodings: readonly ArrayLike<number>[]): tf.Tensor2D {
  const b = encodings.length;
  const m = encodings[0]?.length ?? 0;
  const other = encodings.find((s) => s.length !== m);
  if (m === 0 || other) {
    throw new ShapeError(
      `scaleSimilarity needs encodings of one length, at least 1, got ${m}${other ? ` and ${other.length}` : ""} for ${b} images.`,
    );
  }
  // With 1 for an object and -1 for none, a product is 1 where two images agree and -1 where they differ: the sum of the m
  // products is 2 · agreements - m.
  const signs = Float32Array.from({ length: b * m }, (_, i) => (encodings[Math.floor(i / m)]![i % m] === 0 ? -1 : 1));
  return tf.tidy(() => {
    const s = tf.tensor2d(signs, [b, m]);
    return tf.div(tf.add(tf.matMul(s, s, false, true), m), 2 * m) as tf.Tensor2D;
  });
}

/** The range of similarities that routes are asked for. */
export interface TargetSimilarityOptions {
  /** Similarity asked of routes of wholly unlike images, in (0, max]. Default 0.6. */
  readonly min?: number;
  /** Similarity asked of routes of alike images, in [min, 1]. Default 0.95. */
  readonly max?: number;
}

/**
 * Maps scale similarities to the similarities that routes should have: `sim · (max - min) + min` (Eq. 8).
 *
 * @param similarity scale similarities in [0, 1], any shape
 * @param options the range
 * @returns a tensor of the same shape, in [min, max]
 * @throws ConfigError unless 0 < min <= max <= 1
 * @example targetSimilarity(tf.tensor1d([0, 1])) // 0.6, 0.95
 */
export function targetSimilarity<T extends tf.Tensor>(
  similarity: T,
  { min = 0.6, max = 0.95 }: TargetSimilarityOptions = {},
): T {
  if (!(min > 0 && min <= max && max <= 1)) {
    throw new ConfigError(
      `Path similarity needs 0 < min <= max <= 1, got min ${min} and max ${max}. The paper's are 0.6 and 0.95.`,
      { min, max },
    );
  }
  return tf.tidy(() => tf.add(tf.mul(similarity, max - min), min) as T);
}
