// RetinaNet's assignment of boxes to anchors by their IoU (mmdetection's MaxIoUAssigner), in typed arrays. IoUs are computed in
// float32 in the reference's order of operations, since equal ones decide. For anchors on grids, grid-assign.ts finds the same faster.
import type { GroundTruth } from "@caddet/core";

const { fround } = Math;

/** Options of {@link assignMaxIou}. */
export interface MaxIouOptions {
  /** An anchor of at least this IoU learns its best box. Default 0.5. */
  readonly positiveIou?: number;
  /** An anchor of less than this IoU is background; between the two it learns nothing. Default 0.4. */
  readonly negativeIou?: number;
  /** A box takes its best anchors, whatever their IoU, if that is at least this. Default 0. */
  readonly minPositiveIou?: number;
  /** An anchor learns nothing when more than this share of it lies in a crowd; -1 (default) looks at no crowds. */
  readonly ignoreIof?: number;
}

/** What an anchor that is no box's learns. */
export const BACKGROUND = -1;
/** The mark of an anchor that learns nothing. */
export const IGNORED = -2;

/** Area of box i, in the reference's float32 steps. */
export const areaOf = (b: ArrayLike<number>, i: number) =>
  fround(fround(b[4 * i + 2]! - b[4 * i]!) * fround(b[4 * i + 3]! - b[4 * i + 1]!));

function intersection(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  const w = fround(Math.min(a[4 * i + 2]!, b[4 * j + 2]!) - Math.max(a[4 * i]!, b[4 * j]!));
  const h = fround(Math.min(a[4 * i + 3]!, b[4 * j + 3]!) - Math.max(a[4 * i + 1]!, b[4 * j + 1]!));
  return w > 0 && h > 0 ? fround(w * h) : 0;
}

/** The smallest divisor of an overlap, in float32. */
export const EPSILON = fround(1e-6);

/** Whether box i has width and height; one that has none is no target. */
export const hasExtent = (b: ArrayLike<number>, i: number) =>
  b[4 * i + 2]! > b[4 * i]! && b[4 * i + 3]! > b[4 * i + 1]!;

/** Fills in defaults, thresholds rounded to float32. */
export function resolveMaxIouOptions({
  positiveIou = 0.5,
  negativeIou = 0.4,
  minPositiveIou = 0,
  ignoreIof = -1,
}: MaxIouOptions) {
  return { low: fround(negativeIou), high: fround(positiveIou), minPositiveIou, ignoreIof: fround(ignoreIof) };
}

// Marks the anchors of which a crowd covers more than `threshold`.
function coverByCrowds(anchors: Float32Array, truth: GroundTruth, threshold: number): Uint8Array {
  const covered = new Uint8Array(anchors.length / 4);
  truth.crowd.forEach((crowd, g) => {
    if (!crowd) return;
    for (let i = 0; i < covered.length; i++) {
      const share = fround(intersection(truth.boxes, g, anchors, i) / Math.max(areaOf(anchors, i), EPSILON));
      if (share > threshold) covered[i] = 1;
    }
  });
  return covered;
}

// Neighbouring anchors lie close together: what a box does not touch as a whole needs no look at its members.
const BLOCK = 64;

// The box around each BLOCK anchors. [ceil(A / BLOCK) * 4]
function blockBounds(anchors: Float32Array): Float32Array {
  const count = anchors.length / 4;
  const bounds = new Float32Array(4 * Math.ceil(count / BLOCK));
  for (let i = 0; i < count; i++) {
    const at = 4 * Math.floor(i / BLOCK);
    const isFirst = i % BLOCK === 0;
    for (let k = 0; k < 2; k++) {
      const low = anchors[4 * i + k]!;
      const high = anchors[4 * i + 2 + k]!;
      if (isFirst || low < bounds[at + k]!) bounds[at + k] = low;
      if (isFirst || high > bounds[at + 2 + k]!) bounds[at + 2 + k] = high;
    }
  }
  return bounds;
}

/**
 * Assigns boxes to anchors: an anchor of IoU at least `positiveIou` learns its best box (the first of equals); then each box in
 * turn takes all anchors whose IoU equals its largest, also from boxes before it. A box that meets no anchor takes every one.
 *
 * @param anchors `[A * 4]`, `x1, y1, x2, y2` an anchor, in pixels
 * @param truth the objects of one image, in pixels; crowds and boxes without width or height are no targets
 * @param options thresholds
 * @param valid `[A]`, 0 where an anchor takes no part; default all do
 * @returns `[A]`: the index of the box, -1 for background, -2 for an anchor that learns nothing
 * @example assignMaxIou(levelAnchors({ height: 4, width: 4 }, 8), truth)
 */
export function assignMaxIou(
  anchors: Float32Array,
  truth: GroundTruth,
  options: MaxIouOptions = {},
  valid?: Uint8Array,
): Int32Array {
  const count = anchors.length / 4;
  const { low, high, minPositiveIou, ignoreIof } = resolveMaxIouOptions(options);
  const covered = ignoreIof > 0 ? coverByCrowds(anchors, truth, ignoreIof) : undefined;
  const takesPart = (i: number) => !(valid && !valid[i]) && !covered?.[i];
  const areas = new Float32Array(count);
  for (let i = 0; i < count; i++) areas[i] = areaOf(anchors, i);
  const bounds = blockBounds(anchors);
  const best = new Float32Array(count);
  const bestBox = new Int32Array(count);
  const rescues: { readonly box: number; readonly anchors: readonly number[] }[] = [];
  for (let g = 0; g < truth.labels.length; g++) {
    if (truth.crowd[g] || !hasExtent(truth.boxes, g)) continue;
    const area = areaOf(truth.boxes, g);
    let top = 0;
    let equal: number[] = [];
    for (let block = 0; block < bounds.length / 4; block++) {
      if (intersection(truth.boxes, g, bounds, block) === 0) continue;
      for (let i = block * BLOCK; i < Math.min((block + 1) * BLOCK, count); i++) {
        const inter = intersection(truth.boxes, g, anchors, i);
        if (inter === 0 || !takesPart(i)) continue;
        const iou = fround(inter / Math.max(fround(fround(area + areas[i]!) - inter), EPSILON));
        if (iou > best[i]!) {
          best[i] = iou;
          bestBox[i] = g;
        }
        if (iou > top) {
          top = iou;
          equal = [i];
        } else if (iou === top) {
          equal.push(i);
        }
      }
    }
    // A box that meets no anchor has IoU 0 with every one, and 0 is its largest.
    if (top === 0) equal = Array.from({ length: count }, (_, i) => i).filter(takesPart);
    if (top >= minPositiveIou) rescues.push({ box: g, anchors: equal });
  }
  const owner = new Int32Array(count).fill(IGNORED);
  for (let i = 0; i < count; i++) {
    if (!takesPart(i)) continue;
    if (best[i]! >= high) owner[i] = bestBox[i]!;
    else if (best[i]! < low) owner[i] = BACKGROUND;
  }
  for (const rescue of rescues) for (const i of rescue.anchors) owner[i] = rescue.box;
  return owner;
}
