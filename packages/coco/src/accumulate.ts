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

/** A precision-recall curve at its hits: recall there is `(h + 1) / truths`. */
interface HitCurve {
  hits: number;
  /** `[hits]`: the best precision at this hit or a later one. */
  readonly precision: Float64Array;
  /** `[hits]` */
  readonly scores: Float64Array;
}

// Walks down the detections in `places`; `from` is where their verdicts begin.
function drawCurve(curve: HitCurve, places: Int32Array, { scores, verdicts }: CategoryVerdicts, from: number): void {
  let hits = 0;
  let alarms = 0;
  for (let n = 0; n < places.length; n++) {
    const place = places[n]!;
    const verdict = verdicts[from + place];
    if (verdict === FALSE_ALARM) alarms++;
    else if (verdict === HIT) {
      curve.scores[hits] = scores[place]!;
      hits++;
      curve.precision[hits - 1] = hits / (alarms + hits + EPSILON);
    }
  }
  for (let h = hits - 2; h >= 0; h--) {
    if (curve.precision[h]! < curve.precision[h + 1]!) curve.precision[h] = curve.precision[h + 1]!;
  }
  curve.hits = hits;
}

// Reads a curve at each recall and writes it from `at` on, `step` apart.
function sampleCurve(
  { precision, scores }: Curves,
  curve: HitCurve,
  { recThrs }: ResolvedParams,
  { numTruths, firstScore, at, step }: { numTruths: number; firstScore: number; at: number; step: number },
): void {
  // recThrs rise, so the hits needed do too.
  let needed = 1;
  for (let r = 0; r < recThrs.length; r++) {
    const recall = recThrs[r]!;
    while (needed <= curve.hits && needed / numTruths < recall) needed++;
    const reached = needed <= curve.hits;
    precision[at + r * step] = reached ? curve.precision[needed - 1]! : 0;
    // Recall 0 is reached at the first detection, whatever that is.
    scores[at + r * step] = recall <= 0 ? firstScore : reached ? curve.scores[needed - 1]! : 0;
  }
}

/**
 * Fills one category's part of the curves.
 *
 * @param curves written at category `k` of `numCategories`
 * @param verdicts on the category's detections
 */
export function accumulateCategory(
  curves: Curves,
  verdicts: CategoryVerdicts,
  params: ResolvedParams,
  k: number,
  numCategories: number,
): void {
  const [T, R, A, M] = [params.iouThrs.length, params.recThrs.length, params.areaRng.length, params.maxDets.length];
  const numDetections = verdicts.scores.length;
  const curve = { hits: 0, precision: new Float64Array(numDetections), scores: new Float64Array(numDetections) };
  const step = numCategories * A * M;
  for (let m = 0; m < M; m++) {
    const limit = params.maxDets[m]!;
    const places = Int32Array.from(verdicts.ranks.keys()).filter((place) => verdicts.ranks[place]! < limit);
    const firstScore = places.length > 0 ? verdicts.scores[places[0]!]! : 0;
    for (let a = 0; a < A; a++) {
      const numTruths = verdicts.truths[a]!;
      if (numTruths === 0) continue;
      const column = (k * A + a) * M + m;
      for (let t = 0; t < T; t++) {
        drawCurve(curve, places, verdicts, (a * T + t) * numDetections);
        curves.recall[t * step + column] = curve.hits / numTruths;
        sampleCurve(curves, curve, params, { numTruths, firstScore, at: t * R * step + column, step });
      }
    }
  }
}
