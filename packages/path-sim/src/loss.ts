// The path similarity loss of a batch (Eq. 7): routes of images with like objects are drawn together, others pushed apart.
import { ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { pathSimilarity } from "./path-similarity";
import { scaleSimilarity, type TargetSimilarityOptions, targetSimilarity } from "./scale-similarity";

/** Options of {@link pathSimilarityLoss}. */
export interface PathSimilarityLossOptions extends TargetSimilarityOptions {
  /** `[B, P]`, the soft gates of each image's route. */
  readonly gates: tf.Tensor2D;
  /** B arrays `[m]`, the scale encoding of each image; any binary description of the images serves. */
  readonly encodings: readonly ArrayLike<number>[];
}

// 1 / B above the diagonal, 0 elsewhere. [B * B]
function pairWeights(b: number): Float32Array {
  const weights = new Float32Array(b * b);
  for (let i = 0; i < b; i++) weights.fill(1 / b, i * b + i + 1, (i + 1) * b);
  return weights;
}

/**
 * The mean over images of the squared gaps between path similarity and its target: `Σ_{i<j} (Sim_path - Sim_gt)² / B`.
 *
 * The paper divides by B, not by the B · (B - 1) / 2 pairs, so the loss grows with the batch.
 *
 * @param options gates, scale encodings, and the range of target similarities (default 0.6 to 0.95)
 * @returns a scalar, differentiable in the gates; 0 for a batch of one image. A route with all gates at 0 adds its target
 * squared and gets no gradient
 * @throws ShapeError when gates and encodings do not match; ConfigError unless 0 < min <= max <= 1
 * @example pathSimilarityLoss({ gates: routes.values, encodings: images.map((image) => image.scaleEncoding) })
 */
export function pathSimilarityLoss({ gates, encodings, min, max }: PathSimilarityLossOptions): tf.Scalar {
  const b = encodings.length;
  if (gates.shape[0] !== b) {
    throw new ShapeError(`pathSimilarityLoss needs one encoding an image, got ${b} for gates [${gates.shape}].`);
  }
  return tf.tidy(() => {
    const target = targetSimilarity(scaleSimilarity(encodings), { min, max });
    const gap = tf.squaredDifference(pathSimilarity(gates), target); // [B, B]
    // Rows first: a backend that adds up B² numbers one by one in float32 is off by 1e-4 for 256 images.
    return tf.sum(tf.sum(tf.mul(gap, tf.tensor2d(pairWeights(b), [b, b])), 1)) as tf.Scalar;
  });
}
