// FCOS's loss (FCOS §3.1-3.2, Eq. 2): focal loss of every point, overlap loss and centerness of the positive ones.
// Targets come from the CPU; no tensor is read.
import type { GroundTruth, HeadLoss } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { gatherRows } from "./analytic";
import { assignFcosTargets, type FcosTargets } from "./assign";
import { centernessLoss } from "./centerness";
import type { FcosSettings } from "./fcos-options";
import { type FcosRaw, geometryOf } from "./fcos-raw";
import { sigmoidFocalLoss } from "./focal-loss";
import { iouLoss } from "./iou-loss";
import { joinLevels, sumByImage } from "./positives";
import { checkBatch } from "./truths";

// Distances seen from their own point, as boxes: an overlap does not change when both boxes move.
const OUTWARD = [-1, -1, 1, 1];

// [B]
function classificationLoss(raw: FcosRaw, targets: FcosTargets, settings: FcosSettings): tf.Tensor1D {
  const { numClasses, focalAlpha: alpha, focalGamma: gamma, normaliser, lossWeights } = settings;
  const sums = raw.classes.map((map, l) => {
    const [batch, height, width] = map.shape;
    const logits = tf.reshape(map, [batch * height * width, numClasses]) as tf.Tensor2D;
    const labels = tf.tensor1d(targets.labels[l]!, "int32");
    const loss = sigmoidFocalLoss(logits, labels, { alpha, gamma });
    return tf.sum(tf.reshape(loss, [batch, height * width]), 1) as tf.Tensor1D;
  });
  const positives = targets.positives.length;
  const divisor = normaliser === "mmdet-2.3" ? positives + sums[0]!.shape[0] : Math.max(positives, 1);
  return tf.mul(
    sums.reduce((a, b) => tf.add(a, b)),
    lossWeights.classification / divisor,
  );
}

// Without positives, one point of weight 0 stands in: the loss is 0 and every parameter still has a gradient.
function orStandIn(targets: FcosTargets): FcosTargets {
  if (targets.positives.length > 0) return targets;
  return {
    ...targets,
    positives: Int32Array.of(0),
    images: Int32Array.of(0),
    levels: Int32Array.of(0),
    distances: Float32Array.of(1, 1, 1, 1),
    centerness: Float32Array.of(0),
  };
}

// [B] each
function positiveLosses(
  raw: FcosRaw,
  found: FcosTargets,
  batch: number,
  { strides, boxLoss, lossWeights }: FcosSettings,
): { readonly box: tf.Tensor1D; readonly centerness: tf.Tensor1D } {
  const count = found.positives.length;
  const targets = orStandIn(found);
  const rows = tf.tensor1d(targets.positives, "int32");

  const unit = (p: number) => (raw.unit === "stride" ? strides[targets.levels[p]!]! : 1);
  const wanted = targets.distances.map((d, i) => (OUTWARD[i % 4]! * d) / unit(i >> 2));
  const boxes = tf.mul(gatherRows(joinLevels(raw.distances, 4), rows), tf.tensor2d(OUTWARD, [1, 4])) as tf.Tensor2D;
  const overlapLoss = iouLoss(boxes, tf.tensor2d(wanted, [wanted.length / 4, 4]), boxLoss);
  const centernessSum = targets.centerness.reduce((a, b) => a + b, 0);
  const boxShare = targets.centerness.map((c) => (count === 0 ? 0 : (lossWeights.box * c) / centernessSum));

  const logits = tf.squeeze<tf.Tensor1D>(gatherRows(joinLevels(raw.centerness, 1), rows), [1]);
  const entropy = centernessLoss(logits, targets.distances);
  const centernessShare = targets.centerness.map(() => (count === 0 ? 0 : lossWeights.centerness / count));

  return {
    box: sumByImage(overlapLoss, boxShare, targets.images, batch),
    centerness: sumByImage(entropy, centernessShare, targets.images, batch),
  };
}

/**
 * Computes FCOS's loss.
 *
 * @param raw what the head's `forward` returned
 * @param truths the objects of each image, in pixels of the network's input; crowds are not used
 * @param settings the head's settings
 * @returns each image's share `[B]`, and the terms `classification`, `box` and `centerness`; NaN where a prediction is NaN
 * @throws ShapeError or DatasetError when maps or objects cannot be used
 */
export function fcosLoss(raw: FcosRaw, truths: readonly GroundTruth[], settings: FcosSettings): HeadLoss {
  const { strides, numClasses } = settings;
  const { batch, sizes } = geometryOf(raw, strides.length, numClasses);
  checkBatch(truths, batch);
  const targets = assignFcosTargets(truths, sizes, settings);
  return tf.tidy(() => {
    const classification = classificationLoss(raw, targets, settings);
    const { box, centerness } = positiveLosses(raw, targets, batch, settings);
    return {
      perImage: tf.add<tf.Tensor1D>(tf.add(classification, box), centerness),
      terms: {
        classification: tf.sum<tf.Scalar>(classification),
        box: tf.sum<tf.Scalar>(box),
        centerness: tf.sum<tf.Scalar>(centerness),
      },
    };
  });
}
