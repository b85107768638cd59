// The sigmoid focal loss (Lin et al. 2017, Eq. 5) with its gradient, as one operation that a backend may fuse.
// It neither averages nor weighs rows: the heads do.
import { defineOperation, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./analytic";

/** Options of {@link sigmoidFocalLoss}. */
export interface FocalLossOptions {
  /** Weight of the class that is there; 1 - alpha of those that are not. Default 0.25. */
  readonly alpha?: number;
  /** How strongly easy examples count less, at least 0. Default 2. */
  readonly gamma?: number;
}

// With u = ±logit (+ where the class is there), q = sigmoid(-u) and s = softplus(-u) = -log(1 - q):
// loss = a · q^γ · s and d loss / du = -a · q^γ · (γ · (1 - q) · s + q). No step over- or underflows into NaN.
const focalLossOperation = defineOperation<Required<FocalLossOptions>>({
  name: "CaddetFocalLoss",
  compose: ({ logits, labels }, { alpha, gamma }) => {
    // tf.oneHot refuses a single class.
    const classes = tf.range(0, logits!.shape[1]!, 1, "int32");
    const there = tf.cast(tf.equal(tf.expandDims(labels!, 1), classes), "float32"); // [N, C], zeros for background
    const sign = tf.sub(tf.mul(there, 2), 1);
    const weight = tf.add(tf.mul(there, 2 * alpha - 1), 1 - alpha);
    const miss = tf.neg(tf.mul(sign, logits!)); // -u
    const q = tf.sigmoid(miss);
    const s = tf.softplus(miss);
    const factor = tf.mul(weight, gamma === 2 ? tf.square(q) : tf.pow(q, gamma));
    const loss = tf.sum(tf.mul(factor, s), 1);
    const slope = tf.add(tf.mul(tf.mul(tf.sub(1, q), s), gamma), q);
    return [loss, tf.neg(tf.mul(tf.mul(sign, factor), slope))];
  },
});

/**
 * Computes the focal loss of independent sigmoid classifiers.
 *
 * @param logits `[N, C]`
 * @param targets `[N]` int32, the class of each row; any value outside 0..C-1 means background
 * @param options alpha and gamma
 * @returns `[N]`, the loss summed over classes, differentiable in the logits once; NaN where a logit is NaN
 * @throws ShapeError when the shapes do not match
 * @example sigmoidFocalLoss(tf.tensor2d([[2, -3]]), tf.tensor1d([0], "int32"))
 */
export function sigmoidFocalLoss(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  { alpha = 0.25, gamma = 2 }: FocalLossOptions = {},
): tf.Tensor1D {
  if (logits.rank !== 2 || targets.rank !== 1 || logits.shape[0] !== targets.shape[0]) {
    throw new ShapeError(
      `The focal loss needs logits [N, C] and targets [N], got [${logits.shape}] and [${targets.shape}].`,
    );
  }
  return withGradient(logits, (x) => {
    const [loss, gradient] = focalLossOperation({ logits: x, labels: targets }, { alpha, gamma });
    return [loss!, gradient!];
  });
}
