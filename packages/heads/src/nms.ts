// Greedy non-maximum suppression on typed arrays: deterministic (of equal scores the lower index comes first), in float32
// arithmetic as the reference has it, and class by class without shifting coordinates. Soft suppression is in soft-nms.ts.
import { ShapeError } from "@caddet/core";
import { orderByScore } from "./order-by-score";
import { countBoxes } from "./overlaps";

const { fround } = Math;

/** Boxes of one image as float32, with their areas. */
export interface BoxTable {
  /** `[N * 4]` */
  readonly boxes: Float32Array;
  /** `[N]` */
  readonly areas: Float32Array;
}

/** Fails unless there are as many scores and labels as boxes; returns how many. */
export function countScored(boxes: ArrayLike<number>, scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const n = countBoxes(boxes, "boxes");
  if (scores.length !== n || labels.length !== n) {
    throw new ShapeError(
      `NMS got ${n} boxes, ${scores.length} scores and ${labels.length} labels; they should be as many.`,
    );
  }
  return n;
}

/** Copies boxes to float32 and computes their areas. */
export function tabulate(source: ArrayLike<number>): BoxTable {
  const boxes = Float32Array.from(source);
  const areas = new Float32Array(boxes.length / 4);
  for (let i = 0; i < areas.length; i++) {
    areas[i] = fround(boxes[4 * i + 2]! - boxes[4 * i]!) * fround(boxes[4 * i + 3]! - boxes[4 * i + 1]!);
  }
  return { boxes, areas };
}

/** IoU of boxes i and j in float32; 0 for two boxes without area: they stay, as in the reference. */
export function pairIou({ boxes, areas }: BoxTable, i: number, j: number): number {
  const w = Math.min(boxes[4 * i + 2]!, boxes[4 * j + 2]!) - Math.max(boxes[4 * i]!, boxes[4 * j]!);
  const h = Math.min(boxes[4 * i + 3]!, boxes[4 * j + 3]!) - Math.max(boxes[4 * i + 1]!, boxes[4 * j + 1]!);
  if (!(w > 0 && h > 0)) return 0;
  const inter = fround(fround(w) * fround(h));
  return fround(inter / fround(fround(areas[i]! + areas[j]!) - inter));
}

/**
 * Suppresses, within each class, boxes that overlap a better one.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param scores `[N]`, compared as float32; NaN is never kept
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
  countScored(boxes, scores, labels);
  const table = tabulate(boxes);
  const threshold = fround(iouThreshold);
  const kept: number[] = [];
  const keptOf = new Map<number, number[]>();
  for (const i of orderByScore(scores)) {
    if (kept.length >= limit) break;
    const label = labels[i]!;
    const rivals = keptOf.get(label) ?? [];
    let covered = false;
    for (let k = 0; k < rivals.length && !covered; k++) covered = pairIou(table, i, rivals[k]!) > threshold;
    if (covered) continue;
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
 * @param scores `[N]`, compared as float32; NaN is never kept
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
