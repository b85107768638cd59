// The loss of "Objects as Points" (Zhou et al. 2019, Eq. 1-4): penalty-reduced focal loss on the heatmap, L1 on sizes and offsets in
// the centres' cells. All terms are divided by the objects of the batch. Dense masks instead of gathers: each operation has its
// gradient on every backend.
import type { GroundTruth, HeadLoss } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { type CenterRaw, checkImages } from "./center-raw";
import { centerTargets } from "./center-targets";

/** Factors on the terms. */
export interface CenterLossWeights {
  readonly heat: number;
  readonly size: number;
  readonly offset: number;
}

/**
 * The penalty-reduced focal loss of heatmap logits, α = 2 and β = 4 (Eq. 1).
 *
 * @param logits of any shape
 * @param target of the same shape, in [0, 1]; exactly 1 at centres
 * @returns of the same shape, at least 0, differentiable in the logits; not divided by anything
 * @example heatmapLoss(tf.tensor1d([0, 0]), tf.tensor1d([1, 0.5])) // 0.173, 0.011
 */
export function heatmapLoss(logits: tf.Tensor, target: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const isCenter = tf.cast(tf.equal(target, 1), "float32");
    const sign = tf.sub(1, tf.mul(2, isCenter)); // -1 at centres
    // With v = -x at centres and x elsewhere, -log p or -log(1 - p) is softplus(v), and what is missed of it is sigmoid(v).
    const missed = tf.mul(sign, logits);
    const penalty = tf.add(isCenter, tf.mul(tf.sub(1, isCenter), tf.pow(tf.sub(1, target), 4)));
    return tf.mul(penalty, tf.mul(tf.square(tf.sigmoid(missed)), tf.softplus(missed)));
  });
}

/**
 * Computes the loss of raw maps.
 *
 * @param raw the maps
 * @param truths the objects of each image, in pixels of the network's input
 * @param options stride and classes of the maps, and factors on the terms
 * @returns each image's share `[B]`, and the terms `heat`, `size` and `offset`
 * @throws ShapeError when there is not one entry an image; DatasetError when an object cannot be used
 */
export function centerLoss(
  raw: CenterRaw,
  truths: readonly GroundTruth[],
  options: { readonly stride: number; readonly numClasses: number; readonly lossWeights: CenterLossWeights },
): HeadLoss {
  checkImages(raw, truths.length, "lists of objects");
  const { stride, numClasses, lossWeights } = options;
  const [batch, height, width] = raw.heat.shape;
  const targets = centerTargets(truths, { height, width, stride, numClasses });
  const perObject = 1 / Math.max(targets.objects, 1);
  return tf.tidy(() => {
    const mask = tf.tensor4d(targets.mask, [batch, height, width, 1]);
    const perImage = (map: tf.Tensor, weight: number) =>
      tf.mul(tf.sum(tf.reshape(map, [batch, -1]), 1), weight * perObject) as tf.Tensor1D; // [B]
    const distance = (map: tf.Tensor4D, wanted: Float32Array) =>
      tf.mul(mask, tf.abs(tf.sub(map, tf.tensor4d(wanted, map.shape))));
    const heat = perImage(heatmapLoss(raw.heat, tf.tensor4d(targets.heat, raw.heat.shape)), lossWeights.heat);
    const size = perImage(distance(raw.size, targets.size), lossWeights.size);
    const offset = perImage(distance(raw.offset, targets.offset), lossWeights.offset);
    return {
      perImage: tf.add<tf.Tensor1D>(tf.add(heat, size), offset),
      terms: { heat: tf.sum<tf.Scalar>(heat), size: tf.sum<tf.Scalar>(size), offset: tf.sum<tf.Scalar>(offset) },
    };
  });
}
