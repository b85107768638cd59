// Losses on the overlap of matched boxes: -log IoU (Yu et al. 2016), 1 - IoU and 1 - GIoU (Rezatofighi et al. 2019), with their
// gradients. Overlaps of all pairs, without gradients, are in overlaps.ts.
import { ConfigError, defineOperation, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./analytic";
import { OVERLAP_EPSILON } from "./overlaps";

/** "iou" is -log IoU, "linear-iou" is 1 - IoU, "giou" is 1 - GIoU. */
export type IouLossKind = "iou" | "linear-iou" | "giou";

interface IouLossAttrs {
  readonly kind: IouLossKind;
}

// 1 where a > b, 1/2 where a = b, else 0: the share of max(a, b)'s gradient that a gets.
const share = (a: tf.Tensor, b: tf.Tensor) => tf.mul(tf.add(tf.sign(tf.sub(a, b)), 1), 0.5);
const atLeast = (x: tf.Tensor, floor: number) => tf.cast(tf.greaterEqual(x, floor), "float32");

// One axis of a pair of boxes: lengths of the overlap and of the hull, and their slopes by the predicted low and high end. [N, 2]
function axes(low: tf.Tensor, high: tf.Tensor, trueLow: tf.Tensor, trueHigh: tf.Tensor) {
  const overlap = tf.sub(tf.minimum(high, trueHigh), tf.maximum(low, trueLow));
  const hull = tf.sub(tf.maximum(high, trueHigh), tf.minimum(low, trueLow));
  const overlaps = atLeast(overlap, 0);
  const hullThere = atLeast(hull, 0);
  return {
    overlap: tf.relu(overlap),
    overlapByLow: tf.neg(tf.mul(overlaps, share(low, trueLow))),
    overlapByHigh: tf.mul(overlaps, share(trueHigh, high)),
    hull: tf.relu(hull),
    hullByLow: tf.neg(tf.mul(hullThere, share(trueLow, low))),
    hullByHigh: tf.mul(hullThere, share(high, trueHigh)),
    size: tf.sub(high, low),
    trueSize: tf.sub(trueHigh, trueLow),
  };
}

const half = (boxes: tf.Tensor, from: number) => tf.slice(boxes as tf.Tensor2D, [0, from], [-1, 2]); // [N, 2]
// The webgpu backend forgets to keep the axis where the product's input is still on the CPU.
const area = (sizes: tf.Tensor) => tf.expandDims(tf.prod(sizes, 1), 1); // [N, 1]
const swap = (sizes: tf.Tensor) => tf.reverse(sizes, 1); // the other side's length, by which an area grows

const iouLossOperation = defineOperation<IouLossAttrs>({
  name: "CaddetIouLoss",
  compose: ({ boxes, targets }, { kind }) => {
    const a = axes(half(boxes!, 0), half(boxes!, 2), half(targets!, 0), half(targets!, 2));
    const inter = area(a.overlap);
    const rawUnion = tf.sub(tf.add(area(a.size), area(a.trueSize)), inter);
    const union = tf.maximum(rawUnion, OVERLAP_EPSILON);
    const iou = tf.div(inter, union); // [N, 1]

    // Slopes of areas by x1, y1, x2, y2: [N, 4]
    const byEnds = (low: tf.Tensor, high: tf.Tensor, sizes: tf.Tensor) =>
      tf.mul(tf.concat([low, high], 1), tile(swap(sizes)));
    const tile = (x: tf.Tensor) => tf.concat([x, x], 1);
    const one = tf.onesLike(a.size);
    const dInter = byEnds(a.overlapByLow, a.overlapByHigh, a.overlap);
    const dSize = byEnds(tf.neg(one), one, a.size);
    const unionThere = tf.mul(tf.add(tf.sign(tf.sub(rawUnion, OVERLAP_EPSILON)), 1), 0.5);
    const dUnion = tf.mul(unionThere, tf.sub(dSize, dInter));
    const dIou = tf.div(tf.sub(dInter, tf.mul(iou, dUnion)), union);

    const lossOf = (x: tf.Tensor) => tf.squeeze(x, [1]);
    if (kind === "giou") {
      const rawHull = area(a.hull);
      const hull = tf.maximum(rawHull, OVERLAP_EPSILON);
      const hullShare = tf.mul(tf.add(tf.sign(tf.sub(rawHull, OVERLAP_EPSILON)), 1), 0.5);
      const dHull = tf.mul(hullShare, byEnds(a.hullByLow, a.hullByHigh, a.hull));
      const covered = tf.div(union, hull); // GIoU = IoU - 1 + union / hull
      const dCovered = tf.div(tf.sub(dUnion, tf.mul(covered, dHull)), hull);
      return [lossOf(tf.sub(2, tf.add(iou, covered))), tf.neg(tf.add(dIou, dCovered))];
    }
    const floored = tf.maximum(iou, OVERLAP_EPSILON);
    const slope = tf.mul(atLeast(iou, OVERLAP_EPSILON), dIou);
    if (kind === "linear-iou") return [lossOf(tf.sub(1, floored)), tf.neg(slope)];
    // A shader may take the logarithm of NaN for a number; the product with 0 stays NaN.
    return [lossOf(tf.sub(tf.mul(iou, 0), tf.log(floored))), tf.neg(tf.div(slope, floored))];
  },
});

/**
 * Computes a loss on the overlap of each box with its target.
 *
 * @param boxes `[N, 4]`, `x1, y1, x2, y2` a box, in any unit
 * @param targets `[N, 4]`, in the same unit
 * @param kind "iou" (default), "linear-iou" or "giou"
 * @returns `[N]`, at least 0, differentiable in the boxes once; IoU is floored at 1e-6, and below that its gradient is 0
 * @throws ShapeError when the shapes do not match; ConfigError on an unknown kind
 * @example iouLoss(tf.tensor2d([[0, 0, 2, 2]]), tf.tensor2d([[1, 0, 3, 2]]), "giou")
 */
export function iouLoss(boxes: tf.Tensor2D, targets: tf.Tensor2D, kind: IouLossKind = "iou"): tf.Tensor1D {
  if (boxes.shape[1] !== 4 || targets.shape[1] !== 4 || boxes.shape[0] !== targets.shape[0]) {
    throw new ShapeError(
      `The overlap loss needs boxes and targets [N, 4], got [${boxes.shape}] and [${targets.shape}].`,
    );
  }
  if (kind !== "iou" && kind !== "linear-iou" && kind !== "giou") {
    throw new ConfigError(`The overlap loss is "iou", "linear-iou" or "giou", got ${JSON.stringify(kind)}.`);
  }
  return withGradient(boxes, (x) => {
    const [loss, gradient] = iouLossOperation({ boxes: x, targets }, { kind });
    return [loss!, gradient!];
  });
}
