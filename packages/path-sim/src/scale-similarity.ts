// How alike two images are by the object sizes in them (Eq. 5), and what that asks of their routes (Eq. 8). Plain arrays:
// these are constants of the loss.
import { ConfigError, ShapeError } from "@caddet/core";

/**
 * The share of scale intervals on which two images agree, for every pair: `sum(S_i XNOR S_j) / m` (Eq. 5).
 *
 * @param encodings B arrays `[m]`, 0 where an image has no object in the interval, anything else where it has
 * @returns `[B * B]` in [0, 1], symmetric, 1 on the diagonal; two images without objects have similarity 1
 * @throws ShapeError when the encodings are empty or differ in length
 * @example scaleSimilarity([[1, 0, 0, 0], [1, 1, 0, 0]]) // 1, 0.75, 0.75, 1
 */
export function scaleSimilarity(encodings: readonly ArrayLike<number>[]): Float32Array {
  const b = encodings.length;
  const m = encodings[0]?.length ?? 0;
  const other = encodings.find((s) => s.length !== m);
  if (m === 0 || other) {
    throw new ShapeError(
      `scaleSimilarity needs encodings of one length, at least 1, got ${m}${other ? ` and ${other.length}` : ""} for ${b} images.`,
    );
  }
  const out = new Float32Array(b * b);
  for (let i = 0; i < b; i++) {
    for (let j = i; j < b; j++) {
      let equal = 0;
      for (let k = 0; k < m; k++) if ((encodings[i]![k] !== 0) === (encodings[j]![k] !== 0)) equal++;
      out[i * b + j] = equal / m;
      out[j * b + i] = equal / m;
    }
  }
  return out;
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
 * @param similarity scale similarities in [0, 1], any length
 * @param options the range
 * @returns an array of the same length, in [min, max]
 * @throws ConfigError unless 0 < min <= max <= 1
 * @example targetSimilarity([0, 1]) // 0.6, 0.95
 */
export function targetSimilarity(
  similarity: ArrayLike<number>,
  { min = 0.6, max = 0.95 }: TargetSimilarityOptions = {},
): Float32Array {
  if (!(min > 0 && min <= max && max <= 1)) {
    throw new ConfigError(
      `Path similarity needs 0 < min <= max <= 1, got min ${min} and max ${max}. The paper's are 0.6 and 0.95.`,
      {
        min,
        max,
      },
    );
  }
  return Float32Array.from(similarity, (s) => s * (max - min) + min);
}
