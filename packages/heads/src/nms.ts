// Greedy non-maximum suppression on typed arrays: deterministic (of equal scores the lower index comes first), in float32
// arithmetic as the reference has it, and class by class without shifting coordinates.
import { ShapeError } from "@caddet/core";
import { countBoxes } from "./overlaps";

const { fround } = Math;

/**
 * Orders indices by falling score; of equal scores the lower index comes first, and NaN is left out.
 *
 * @param scores `[N]`
 * @returns the indices in order
 * @example orderByScore([0.1, 0.9, 0.1]) // 1, 0, 2
 */
export function orderByScore(scores: ArrayLike<number>): number[] {
  const order: number[] = [];
  for (let i = 0; i < scores.length; i++) if (!Number.isNaN(scores[i]!)) order.push(i);
  return order.sort((a, b) => scores[b]! - scores[a]! || a - b);
}

function exceeds(boxes: ArrayLike<number>, areas: Float32Array, i: number, j: number, threshold: number): boolean {
  const w = Math.min(boxes[4 * i + 2]!, boxes[4 * j + 2]!) - Math.max(boxes[4 * i]!, boxes[4 * j]!);
  const h = Math.min(boxes[4 * i + 3]!, boxes[4 * j + 3]!) - Math.max(boxes[4 * i + 1]!, boxes[4 * j + 1]!);
  const inter = fround(fround(Math.max(0, w)) * fround(Math.max(0, h)));
  // Two boxes without area give 0 / 0, which exceeds nothing: they stay, as in the reference.
  return fround(inter / fround(fround(areas[i]! + areas[j]!) - inter)) > threshold;
}

/**
 * Suppresses, within each class, boxes that overlap a better one.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param scores `[N]`; NaN is never kept
 * @param labels `[N]`
 * @param iouThreshold a box is dropped when its IoU is larger; at equality it stays
 * @param limit how many are kept, default all
 * @returns indices of what is kept, by falling score
 * @throws ShapeError when the counts differ
 * @example batchedNms(boxes, scores, labels, 0.5)
 */
export function batchedNms(
  boxes: ArrayLike<number>,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  iouThreshold: number,
  limit = Number.POSITIVE_INFINITY,
): Int32Array {
  const n = countBoxes(boxes, "boxes");
  if (scores.length !== n || labels.length !== n) {
    throw new ShapeError(
      `NMS got ${n} boxes, ${scores.length} scores and ${labels.length} labels; they should be as many.`,
    );
  }
  const areas = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    areas[i] = fround(boxes[4 * i + 2]! - boxes[4 * i]!) * fround(boxes[4 * i + 3]! - boxes[4 * i + 1]!);
  }
  const threshold = fround(iouThreshold);
  const kept: number[] = [];
  const keptOf = new Map<number, number[]>();
  for (const i of orderByScore(scores)) {
    if (kept.length >= limit) break;
    const label = labels[i]!;
    const rivals = keptOf.get(label) ?? [];
    if (rivals.some((j) => exceeds(boxes, areas, i, j, threshold))) continue;
    rivals.push(i);
    keptOf.set(label, rivals);
    kept.push(i);
  }
  return Int32Array.from(kept);
}

/**
 * Suppresses boxes that overlap a better one, whatever their class.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param scores `[N]`; NaN is never kept
 * @param iouThreshold a box is dropped when its IoU is larger; at equality it stays
 * @param limit how many are kept, default all
 * @returns indices of what is kept, by falling score
 * @throws ShapeError when the counts differ
 * @example nms(new Float32Array([0, 0, 9, 9, 0, 0, 9, 8]), new Float32Array([0.5, 0.8]), 0.5) // 1
 */
export function nms(
  boxes: ArrayLike<number>,
  scores: ArrayLike<number>,
  iouThreshold: number,
  limit = Number.POSITIVE_INFINITY,
): Int32Array {
  return batchedNms(boxes, scores, new Int32Array(scores.length), iouThreshold, limit);
}
