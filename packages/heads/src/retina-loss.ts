// RetinaNet's loss (Lin et al. 2017, §3-4): focal loss of every anchor, L1 on the shifts of the positive ones, both divided by
// Σ over images of max(positives, 1). Targets come from the CPU; no tensor is read.
import { type GroundTruth, type HeadLoss, type ImageSize, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { gatherRows } from "./analytic";
import { l1Loss } from "./elementwise-loss";
import { sigmoidFocalLoss } from "./focal-loss";
import { joinLevels, sumByImage } from "./positives";
import { anchorsPerCell, type RetinaSettings } from "./retina-options";
import { type RetinaRaw, retinaGeometry } from "./retina-raw";
import { assignRetinaTargets, type RetinaTargets } from "./retina-targets";
import { checkBatch } from "./truths";

// [B]
function classificationLoss(raw: RetinaRaw, targets: RetinaTargets, settings: RetinaSettings): tf.Tensor1D {
  const { numClasses, focalAlpha: alpha, focalGamma: gamma, lossWeights } = settings;
  const sums = raw.classes.map((map, l) => {
    const logits = tf.reshape(map, [-1, numClasses]) as tf.Tensor2D; // [B * H * W * A, C]
    const loss = sigmoidFocalLoss(logits, tf.tensor1d(targets.labels[l]!, "int32"), { alpha, gamma });
    const counted = tf.mul(loss, tf.tensor1d(targets.weights[l]!));
    return tf.sum(tf.reshape(counted, [map.shape[0], -1]), 1) as tf.Tensor1D;
  });
  return tf.mul(
    sums.reduce((a, b) => tf.add(a, b)),
    lossWeights.classification / targets.divisor,
  );
}

// [B]
function boxLoss(raw: RetinaRaw, targets: RetinaTargets, batch: number, settings: RetinaSettings): tf.Tensor1D {
  const { positives, images, deltas, divisor } = targets;
  const count = positives.length;
  // Without positives, one anchor of weight 0 stands in, so that every parameter still has a gradient.
  const rows = count > 0 ? positives : Int32Array.of(0);
  const wanted = tf.tensor2d(count > 0 ? deltas : new Float32Array(4), [rows.length, 4]);
  const losses = l1Loss(gatherRows(joinLevels(raw.deltas, 4), tf.tensor1d(rows, "int32")), wanted);
  const weights = new Float32Array(rows.length).fill(count > 0 ? settings.lossWeights.box / divisor : 0);
  return sumByImage(losses, weights, count > 0 ? images : Int32Array.of(0), batch);
}

/**
 * Computes RetinaNet's loss.
 *
 * @param raw what the head's `forward` returned
 * @param truths the objects of each image, in pixels of the network's input
 * @param settings the head's settings
 * @param padded the part of the network's input that each image fills with its own padding; default all of it
 * @returns each image's share `[B]`, and the terms `classification` and `box`; NaN where a prediction is NaN
 * @throws ShapeError or DatasetError when maps or objects cannot be used
 */
export function retinaLoss(
  raw: RetinaRaw,
  truths: readonly GroundTruth[],
  settings: RetinaSettings,
  padded?: readonly ImageSize[],
): HeadLoss {
  const { strides, numClasses } = settings;
  const { batch, sizes } = retinaGeometry(raw, strides.length, numClasses, anchorsPerCell(settings));
  checkBatch(truths, batch);
  if (padded && padded.length !== batch) {
    throw new ShapeError(`The loss needs the size of each of the ${batch} images, got ${padded.length}.`);
  }
  const targets = assignRetinaTargets(truths, sizes, settings, padded);
  return tf.tidy(() => {
    const classification = classificationLoss(raw, targets, settings);
    const box = boxLoss(raw, targets, batch, settings);
    return {
      perImage: tf.add<tf.Tensor1D>(classification, box),
      terms: { classification: tf.sum<tf.Scalar>(classification), box: tf.sum<tf.Scalar>(box) },
    };
  });
}
