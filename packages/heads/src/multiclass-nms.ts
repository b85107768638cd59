// From boxes with one score a class to detections: threshold, score factors, suppression, limit.
// The heads go through dense-decode.ts, which need not build one score a box and class.
import { type Detections, ShapeError } from "@caddet/core";
import { CandidateList } from "./candidates";
import { countBoxes } from "./overlaps";
import type { SuppressionOptions } from "./suppression";

const { fround } = Math;

/** Options of {@link multiclassNms}. */
export interface MulticlassNmsOptions extends SuppressionOptions {
  /** Only scores above it count; strict. */
  readonly scoreThreshold: number;
  /** How many detections are kept. */
  readonly maxPerImage: number;
  /** `[N]`: multiplies the scores after the threshold, e.g. centerness. */
  readonly scoreFactors?: ArrayLike<number>;
}

/**
 * Turns boxes with one score a class into detections.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param scores `[N * C]`, row-major, without a background column
 * @param options thresholds, limit, score factors and which suppression
 * @returns the detections, best first; of equal scores the lower box comes first, then the lower class
 * @throws ShapeError when the counts differ; ConfigError on options that make no sense
 * @example multiclassNms(boxes, scores, { scoreThreshold: 0.05, nmsIou: 0.5, maxPerImage: 100 })
 */
export function multiclassNms(
  boxes: ArrayLike<number>,
  scores: ArrayLike<number>,
  { scoreThreshold, maxPerImage, scoreFactors, ...suppression }: MulticlassNmsOptions,
): Detections {
  const n = countBoxes(boxes, "boxes");
  const classes = n === 0 ? 0 : scores.length / n;
  if (!Number.isInteger(classes) || (scoreFactors && scoreFactors.length !== n)) {
    throw new ShapeError(
      `NMS got ${n} boxes, ${scores.length} scores and ${scoreFactors?.length ?? "no"} factors; it needs one score a box ` +
        "and class, and one factor a box.",
    );
  }
  const threshold = fround(scoreThreshold);
  const candidates = new CandidateList();
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < classes; c++) {
      const score = scores[i * classes + c]!;
      if (score > threshold) candidates.add(boxes, i, fround(score * (scoreFactors?.[i] ?? 1)), c);
    }
  }
  return candidates.suppress(suppression, maxPerImage);
}
