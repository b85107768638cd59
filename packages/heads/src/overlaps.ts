// How much boxes overlap, pair by pair, on typed arrays. The differentiable loss is in iou-loss.ts.
// Floors as in mmdetection, so that boxes without area give 0.
import { ShapeError } from "@caddet/core";

/** Intersection over union, over the first box's area, or the generalised IoU of Rezatofighi et al. 2019. */
export type OverlapMode = "iou" | "iof" | "giou";

/** The smallest divisor of an overlap, in pixels². */
export const OVERLAP_EPSILON = 1e-6;

/** Fails unless `boxes` holds four numbers a box; returns how many boxes there are. */
export function countBoxes(boxes: ArrayLike<number>, what: string): number {
  if (boxes.length % 4 !== 0) {
    throw new ShapeError(`${what} should hold x1, y1, x2, y2 a box, got ${boxes.length} numbers.`);
  }
  return boxes.length / 4;
}

/**
 * Computes the overlap of every box of `a` with every box of `b`.
 *
 * @param a `[M * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param b `[N * 4]`
 * @param mode "iou" (default), "iof" (over a's area) or "giou"
 * @returns `[M * N]`, row-major; in [0, 1], or in [-1, 1] for "giou"
 * @throws ShapeError when a length is no multiple of 4
 * @example bboxOverlaps(new Float32Array([0, 0, 2, 2]), new Float32Array([1, 0, 3, 2])) // 1 / 3
 */
export function bboxOverlaps(a: ArrayLike<number>, b: ArrayLike<number>, mode: OverlapMode = "iou"): Float32Array {
  const m = countBoxes(a, "a");
  const n = countBoxes(b, "b");
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    const ax1 = a[4 * i]!;
    const ay1 = a[4 * i + 1]!;
    const ax2 = a[4 * i + 2]!;
    const ay2 = a[4 * i + 3]!;
    const areaA = (ax2 - ax1) * (ay2 - ay1);
    for (let j = 0; j < n; j++) {
      const bx1 = b[4 * j]!;
      const by1 = b[4 * j + 1]!;
      const bx2 = b[4 * j + 2]!;
      const by2 = b[4 * j + 3]!;
      const areaB = (bx2 - bx1) * (by2 - by1);
      const w = Math.max(0, Math.min(ax2, bx2) - Math.max(ax1, bx1));
      const h = Math.max(0, Math.min(ay2, by2) - Math.max(ay1, by1));
      const inter = w * h;
      const union = Math.max(mode === "iof" ? areaA : areaA + areaB - inter, OVERLAP_EPSILON);
      let overlap = inter / union;
      if (mode === "giou") {
        const hullW = Math.max(0, Math.max(ax2, bx2) - Math.min(ax1, bx1));
        const hullH = Math.max(0, Math.max(ay2, by2) - Math.min(ay1, by1));
        const hull = Math.max(hullW * hullH, OVERLAP_EPSILON);
        overlap -= (hull - union) / hull;
      }
      out[i * n + j] = overlap;
    }
  }
  return out;
}
