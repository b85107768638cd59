// Precision and recall of one category from verdicts on its detections (pycocotools' accumulate). Only true positives
// move the curve's recall, so the curve is kept at those alone.
import type { ResolvedParams } from "./evaluation-params";

/** A detection that counts neither way, a hit, or a false alarm. */
export const IGNORED = 0;
export const HIT = 1;
export const FALSE_ALARM = 2;

/** The verdicts on one category's detections in the order of falling score, images in order where scores are equal. */
export interface CategoryVerdicts {
  /** `[D]` */
  readonly scores: Float64Array;
  /** `[D]`: place of each detection among its image's. */
  readonly ranks: Int32Array;
  /** `[A * T * D]` */
  readonly verdicts: Uint8Array;
  /** `[A]`: annotations that count. */
  readonly truths: Int32Array;
}

/** The arrays that an evaluation fills. */
export interface Curves {
  /** `[T, R, K, A, M]`, row-major. */
  readonly precision: Float64Array;
  /** `[T, R, K, A, M]`: the score at which each recall is reached. */
  readonly scores: Float64Array;
  /** `[T, K, A, M]` */
  readonly recall: Float64Array;
}

/** Arrays of -1, which means "no annotation". */
export function emptyCurves(params: ResolvedParams, numCategories: number): Curves {
  const cells = numCategories * params.areaRng.length * params.maxDets.length;
  const points = params.iouThrs.length * params.recThrs.length * cells;
  return {
    precision: new Float64Array(points).fill(-1),
    scores: new Float64Array(points).fill(-1),
    recall: new Float64Array(params.iouThrs.length * cells).fill(-1),
  };
}

// numpy's spacing(1), which keeps 0 / 0 out of the precision.
const EPSILON = 2.220446049250313e-16;

/**
 * Fills one category's part of the curves.
 *
 * @param curves written at category `k` of `numCategories`
 * @param verdicts on the category's detections
 */
export function accumulateCategory(
  curves: Curves,
  { scores, ranks, verdicts, truths }: CategoryVerdicts,
  params: ResolvedParams,
  k: number,
  numCategories: number,
): void {
  const { iouThrs, recThrs, maxDets, areaRng } = params;
  const [T, R, K, A, M] = [iouThrs.length, recThrs.length, numCategories, areaRng.length, maxDets.length];
  const numDetections = scores.length;
  const hitPrecision = new Float64Array(numDetections);
  const hitScore = new Float64Array(numDetections);
  for (let a = 0; a < A; a++) {
    const numTruths = truths[a]!;
    if (numTruths === 0) continue;
    for (let m = 0; m < M; m++) {
      const limit = maxDets[m]!;
      for (let t = 0; t < T; t++) {
        const from = (a * T + t) * numDetections;
        let hits = 0;
        let alarms = 0;
        let first = -1;
        for (let d = 0; d < numDetections; d++) {
          if (ranks[d]! >= limit) continue;
          if (first < 0) first = d;
          const verdict = verdicts[from + d];
          if (verdict === FALSE_ALARM) alarms++;
          else if (verdict === HIT) {
            hits++;
            hitPrecision[hits - 1] = hits / (alarms + hits + EPSILON);
            hitScore[hits - 1] = scores[d]!;
          }
        }
        for (let h = hits - 2; h >= 0; h--) {
          if (hitPrecision[h]! < hitPrecision[h + 1]!) hitPrecision[h] = hitPrecision[h + 1]!;
        }
        curves.recall[((t * K + k) * A + a) * M + m] = hits / numTruths;
        // recThrs rise, so the hits needed do too.
        let needed = 1;
        for (let r = 0; r < R; r++) {
          const at = (((t * R + r) * K + k) * A + a) * M + m;
          const recall = recThrs[r]!;
          while (needed <= hits && needed / numTruths < recall) needed++;
          // Recall 0 is reached at the first detection, whatever that is.
          const atFirst = recall <= 0 && first >= 0;
          const reached = needed <= hits;
          curves.precision[at] = reached ? hitPrecision[needed - 1]! : 0;
          curves.scores[at] = atFirst ? scores[first]! : reached ? hitScore[needed - 1]! : 0;
        }
      }
    }
  }
}
