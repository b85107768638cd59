// Soft non-maximum suppression (Bodla et al. 2017, "Soft-NMS"): a box that overlaps a better one loses score instead of being dropped.
// On typed arrays, in float32, deterministic: of equal scores the lower index comes first. Hard suppression is in nms.ts.
import { ConfigError } from "@caddet/core";
import { countScored, pairIou, tabulate } from "./nms";
import { ScoreQueue } from "./score-queue";

const { fround } = Math;

/** How scores fall: times 1 - IoU above the threshold, or times exp(-IoU² / sigma) at any IoU. */
export type SoftNmsDecay = "linear" | "gaussian";

/** Options of {@link softNms} and {@link batchedSoftNms}. */
export interface SoftNmsOptions {
  /** Default "gaussian". */
  readonly decay?: SoftNmsDecay;
  /** Linear: only a larger IoU takes score away. Default 0.5. */
  readonly iouThreshold?: number;
  /** Gaussian: larger takes less score away. Default 0.5. */
  readonly sigma?: number;
  /** A box of lower score is dropped, now or once it has fallen so far. Default 0.001. */
  readonly minScore?: number;
  /** How many are kept; default all. */
  readonly limit?: number;
}

/** What soft suppression keeps, by falling score. */
export interface SoftNmsResult {
  /** `[K]`: indices of the boxes. */
  readonly kept: Int32Array;
  /** `[K]`: their scores, fallen as far as better boxes made them. */
  readonly scores: Float32Array;
}

// By which a score is multiplied.
function decayOf({ decay = "gaussian", iouThreshold = 0.5, sigma = 0.5 }: SoftNmsOptions): (iou: number) => number {
  const threshold = fround(iouThreshold);
  switch (decay) {
    case "linear":
      return (iou) => (iou > threshold ? fround(1 - iou) : 1);
    case "gaussian":
      if (!(sigma > 0)) throw new ConfigError(`Soft-NMS needs a sigma above 0, got ${sigma}.`);
      return (iou) => fround(Math.exp(-(iou * iou) / sigma));
    default:
      throw new ConfigError(`Soft-NMS decays "linear" or "gaussian", got ${JSON.stringify(decay)}.`);
  }
}

/**
 * Lowers, within each class, the scores of boxes that overlap a better one: takes the best box, lowers the rest, and so on.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param scores `[N]`, rounded to float32; NaN is never kept
 * @param labels `[N]`
 * @param options decay, its threshold or sigma, lowest score, limit
 * @returns indices of what is kept and their scores, by falling score
 * @throws ShapeError when the counts differ; ConfigError on an unknown decay or a sigma that is not positive
 * @example batchedSoftNms(boxes, scores, labels, { decay: "linear", limit: 100 })
 */
export function batchedSoftNms(
  boxes: ArrayLike<number>,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: SoftNmsOptions = {},
): SoftNmsResult {
  const n = countScored(boxes, scores, labels);
  const factor = decayOf(options);
  const { minScore = 0.001, limit = Number.POSITIVE_INFINITY } = options;
  const lowest = fround(minScore);
  const table = tabulate(boxes);
  const current = Float32Array.from(scores);
  const queue = new ScoreQueue(current);
  for (let i = 0; i < n; i++) if (current[i]! >= lowest) queue.push(i);
  // A box's score is lowered when it comes first: kept boxes before `seen[i]` have lowered it already. Scores only fall, so that a box
  // that still comes first after that is the best.
  const seen = new Uint32Array(n);
  const kept: number[] = [];
  for (let i = queue.pop(); i !== undefined && kept.length < limit; i = queue.pop()) {
    const before = current[i]!;
    for (let k = seen[i]!; k < kept.length; k++) {
      if (labels[i] === labels[kept[k]!]) current[i]! *= factor(pairIou(table, i, kept[k]!));
    }
    seen[i] = kept.length;
    if (current[i] === before) kept.push(i);
    else if (current[i]! >= lowest) queue.push(i);
  }
  return { kept: Int32Array.from(kept), scores: Float32Array.from(kept, (i) => current[i]!) };
}

/**
 * Lowers the scores of boxes that overlap a better one, whatever their class.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param scores `[N]`, rounded to float32; NaN is never kept
 * @param options decay, its threshold or sigma, lowest score, limit
 * @returns indices of what is kept and their scores, by falling score
 * @throws ShapeError when the counts differ; ConfigError on an unknown decay or a sigma that is not positive
 * @example softNms([0, 0, 4, 4, 0, 0, 4, 3], [0.8, 0.4], { decay: "linear" }).scores // 0.8, 0.1
 */
export function softNms(
  boxes: ArrayLike<number>,
  scores: ArrayLike<number>,
  options: SoftNmsOptions = {},
): SoftNmsResult {
  return batchedSoftNms(boxes, scores, new Int32Array(scores.length), options);
}
