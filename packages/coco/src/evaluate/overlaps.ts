// The overlap of two boxes as pycocotools computes it, operation by operation, so that results are equal bit for bit.

/** What stands in for a threshold of 1, as in pycocotools: a perfect overlap may come out a little smaller. */
export const HIGHEST_THRESHOLD = 1 - 1e-10;

/**
 * Intersection over union, or over the detection's area where the annotation is a crowd.
 *
 * @param detections boxes `x, y, width, height`, one after the other
 * @param d place of the detection's first number
 * @param truths boxes of annotations
 * @param g place of the annotation's first number
 * @param crowd whether the annotation is a crowd
 * @returns 0 to 1; NaN where areas overflow
 */
export function overlapOf(
  detections: Float64Array,
  d: number,
  truths: Float64Array,
  g: number,
  crowd: boolean,
): number {
  const dx = detections[d]!;
  const dRight = detections[d + 2]! + dx;
  const gx = truths[g]!;
  const gRight = truths[g + 2]! + gx;
  // Most pairs lie apart.
  if (dRight <= gx || gRight <= dx) return 0;
  const dy = detections[d + 1]!;
  const dBottom = detections[d + 3]! + dy;
  const gy = truths[g + 1]!;
  const gBottom = truths[g + 3]! + gy;
  if (dBottom <= gy || gBottom <= dy) return 0;
  const width = Math.min(dRight, gRight) - Math.max(dx, gx);
  const height = Math.min(dBottom, gBottom) - Math.max(dy, gy);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  const area = detections[d + 2]! * detections[d + 3]!;
  return shared / (crowd ? area : area + truths[g + 2]! * truths[g + 3]! - shared);
}
