// RetinaNet's loss (Lin et al. 2017, §3-4): focal loss of every anchor, L1 on the shifts of the positive ones (or an overlap
// loss on the boxes that they make), both divided by Σ over images of max(positives, 1). Targets come from the CPU; no tensor is read.
import { type GroundTruth, type HeadLoss, type ImageSize, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { gatherRows } from "./analytic";
import { MAX_SIDE_RATIO } from "./coders";
import { l1Loss } from "./elementwise-loss";
import { sigmoidFocalLoss } from "./focal-loss";
import { iouLoss } from "./iou-loss";
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
    const labels = tf.tensor1d(targets.labels[l]!, "int32");
    const learns = tf.cast(tf.greaterEqual(labels, 0), "float32");
    const counted = tf.mul(sigmoidFocalLoss(logits, labels, { alpha, gamma }), learns);
    return tf.sum(tf.reshape(counted, [map.shape[0], -1]), 1) as tf.Tensor1D;
  });
  return tf.mul(
    sums.reduce((a, b) => tf.add(a, b)),
    lossWeights.classification / targets.divisor,
  );
}

// What shifts make of anchors, differentiable in the shifts; sides grow by at most the factor of decodeDeltas. [P, 4]
function boxesOf(deltas: tf.Tensor2D, anchors: tf.Tensor2D): tf.Tensor2D {
  const half = (x: tf.Tensor2D, from: number) => tf.slice(x, [0, from], [-1, 2]); // [P, 2]
  const sizes = tf.sub(half(anchors, 2), half(anchors, 0));
  const anchorCentres = tf.mul(tf.add(half(anchors, 0), half(anchors, 2)), 0.5);
  const limit = Math.log(MAX_SIDE_RATIO);
  const centres = tf.add(anchorCentres, tf.mul(half(deltas, 0), sizes));
  const growth = half(deltas, 2);
  // wasm clips NaN to a limit, and a shader may make Infinity of its exponential; the product with 0 stays NaN.
  const factor = tf.add(tf.exp(tf.clipByValue(growth, -limit, limit)), tf.mul(growth, 0));
  const reach = tf.mul(tf.mul(sizes, 0.5), factor);
  return tf.concat([tf.sub(centres, reach), tf.add(centres, reach)], 1) as tf.Tensor2D;
}

// Without positives, one anchor of weight 0 stands in, so that every parameter still has a gradient.
function orStandIn(targets: RetinaTargets): RetinaTargets {
  if (targets.positives.length > 0) return targets;
  return {
    ...targets,
    positives: Int32Array.of(0),
    images: Int32Array.of(0),
    deltas: new Float32Array(4),
    anchors: Float32Array.of(0, 0, 1, 1),
    boxes: Float32Array.of(0, 0, 1, 1),
  };
}

// [B]
function boxLoss(raw: RetinaRaw, found: RetinaTargets, batch: number, settings: RetinaSettings): tf.Tensor1D {
  const { positives, images, deltas, anchors, boxes, divisor } = orStandIn(found);
  const count = positives.length;
  const predicted = gatherRows(joinLevels(raw.deltas, 4), tf.tensor1d(positives, "int32"));
  const losses =
    settings.boxLoss === "l1"
      ? l1Loss(predicted, tf.tensor2d(deltas, [count, 4]))
      : iouLoss(boxesOf(predicted, tf.tensor2d(anchors, [count, 4])), tf.tensor2d(boxes, [count, 4]), settings.boxLoss);
  const weights = new Float32Array(count).fill(found.positives.length > 0 ? settings.lossWeights.box / divisor : 0);
  return sumByImage(losses, weights, images, batch);
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
