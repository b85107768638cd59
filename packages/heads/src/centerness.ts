// FCOS's centerness (Tian et al. 2019, Eq. 3): how central a point lies in its box, and the loss of a prediction of it.
// Which point has which box is assign.ts' business.
import { ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { binaryCrossEntropy } from "./elementwise-loss";
import { countBoxes } from "./overlaps";

/**
 * Computes how central points lie: √(min(l, r) / max(l, r) · min(t, b) / max(t, b)).
 *
 * @param distances `[N * 4]`, to the left, top, right and bottom side, in any unit
 * @returns `[N]` in [0, 1]: 1 at the centre of the box, 0 on its border or outside
 * @throws ShapeError when the length is no multiple of 4
 * @example centernessTarget([1, 2, 4, 2]) // 0.5
 */
export function centernessTarget(distances: ArrayLike<number>): Float32Array {
  const targets = new Float32Array(countBoxes(distances, "distances"));
  for (let i = 0; i < targets.length; i++) {
    const left = distances[4 * i]!;
    const top = distances[4 * i + 1]!;
    const right = distances[4 * i + 2]!;
    const bottom = distances[4 * i + 3]!;
    if (!(Math.min(left, top, right, bottom) > 0)) continue;
    const across = Math.min(left, right) / Math.max(left, right);
    const down = Math.min(top, bottom) / Math.max(top, bottom);
    targets[i] = Math.sqrt(across * down);
  }
  return targets;
}

/**
 * Computes the loss of predicted centerness: its cross-entropy with {@link centernessTarget}.
 *
 * @param logits `[N]`
 * @param distances `[N * 4]`, to the left, top, right and bottom side, in any unit
 * @returns `[N]`, differentiable in the logits once; NaN where a logit is NaN
 * @throws ShapeError when the counts differ
 * @example centernessLoss(tf.tensor1d([0.3]), [1, 2, 4, 2])
 */
export function centernessLoss(logits: tf.Tensor1D, distances: ArrayLike<number>): tf.Tensor1D {
  const targets = centernessTarget(distances);
  if (logits.rank !== 1 || logits.size !== targets.length) {
    throw new ShapeError(
      `The centerness loss needs one logit a point, got logits [${logits.shape}] and distances of ${targets.length} points.`,
    );
  }
  return tf.tidy(() => binaryCrossEntropy(logits, tf.tensor1d(targets)));
}
