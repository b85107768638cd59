// The cut of a level to its best points on the device, so that only those are read. Internal.
// The same cut on the CPU is in pick-candidates.ts; both choose what mmdetection 2.3 or 2.28 needs.
import * as tf from "@tensorflow/tfjs-core";
import type { MmdetFlavour } from "./head-settings";

/** The predictions of one level for a batch, a row a point or anchor. */
export interface LevelTensors {
  /** `[B, N, C]` logits. */
  readonly classes: tf.Tensor3D;
  /** `[B, N, 4]`: what boxes are made from. */
  readonly boxes: tf.Tensor3D;
  /** `[B, N, 1]` logits of what multiplies the scores; absent where there is none. */
  readonly factorLogits?: tf.Tensor3D | undefined;
  /** `[B, N, 1]` int32: the number of each row's point or anchor; absent where the rows are all of them, in order. */
  readonly numbers?: tf.Tensor3D | undefined;
}

/**
 * Keeps the best rows of each image. Each flavour's candidates are among them: "mmdet-2.3" cuts points by score times factor, and the best
 * `limit` pairs of point and class of "mmdet-2.28" cannot belong to other points than the best `limit` by class score.
 *
 * @param level the predictions; they stay the caller's
 * @param limit rows to keep
 * @param flavour by what rows are ranked
 * @returns the level itself when it has no more rows; else the kept rows with their numbers, in no particular order
 */
export function cutLevel(level: LevelTensors, limit: number, flavour: MmdetFlavour): LevelTensors {
  const [batch, count] = level.classes.shape;
  if (count <= limit) return level;
  return tf.tidy(() => {
    const scores = tf.sigmoid(tf.max(level.classes, 2)); // [B, N]
    const { factorLogits } = level;
    const ranked =
      factorLogits && flavour === "mmdet-2.3" ? tf.mul(scores, tf.sigmoid(tf.squeeze(factorLogits, [2]))) : scores;
    // NaN is not at least 0 and ranks last; a shader whose sigmoid of NaN is a number only spends a row on it.
    const values = tf.where(tf.greaterEqual(ranked, 0), ranked, tf.fill([batch, count], -1));
    const { indices } = tf.topk(values, limit, true); // [B, limit]; of equal values the lower index
    const firstRows = tf.reshape(tf.range(0, batch * count, count, "int32"), [batch, 1]);
    const rows = tf.reshape(tf.add(indices, firstRows), [-1]) as tf.Tensor1D;
    const keep = (x: tf.Tensor3D) =>
      tf.reshape(tf.gather(tf.reshape(x, [batch * count, -1]), rows), [batch, limit, x.shape[2]]) as tf.Tensor3D;
    return {
      classes: keep(level.classes),
      boxes: keep(level.boxes),
      factorLogits: factorLogits && keep(factorLogits),
      numbers: tf.reshape(indices, [batch, limit, 1]) as tf.Tensor3D,
    };
  });
}
