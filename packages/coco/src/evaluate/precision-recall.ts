// A precision-recall curve as data, read off an evaluation. Drawing is not done here.
import { ConfigError } from "@caddet/core/base";
import type { EvaluationResult } from "./evaluate";

/** Which curve of an evaluation. */
export interface CurveSelection {
  /** Default: the mean over the classes that have annotations. */
  readonly categoryId?: number;
  /** One of the evaluation's IoU thresholds, default 0.5. */
  readonly iou?: number;
  /** The label of a range of areas, default "all". */
  readonly area?: string;
  /** One of the evaluation's limits, default the largest. */
  readonly maxDets?: number;
}

/** A curve; -1 everywhere where no class has an annotation that counts. */
export interface PrecisionRecallCurve {
  /** `[R]`: the evaluation's recalls, rising. */
  readonly recall: Float64Array;
  /** `[R]`: the best precision at this recall or a higher one, 0 where it is not reached. */
  readonly precision: Float64Array;
  /** `[R]`: the score at which the recall is reached, 0 where it is not. */
  readonly scores: Float64Array;
}

function placeOf(what: string, wanted: number | string, n: number, known: Iterable<number | string>): number {
  if (n >= 0) return n;
  throw new ConfigError(`The evaluation has no ${what} ${wanted}, it has ${[...known].slice(0, 20).join(", ")}.`, {
    [what]: wanted,
  });
}

/**
 * Reads one precision-recall curve.
 *
 * @param result an evaluation
 * @param selection class, IoU, area and limit
 * @returns recall, precision and scores `[R]`
 * @throws ConfigError for what was not evaluated
 * @example precisionRecallCurve(result, { categoryId: 1, iou: 0.75 }).precision
 */
export function precisionRecallCurve(
  { params, counts, precision, scores }: EvaluationResult,
  selection: CurveSelection = {},
): PrecisionRecallCurve {
  const { categoryId, iou = 0.5, area = "all", maxDets = params.maxDets[params.maxDets.length - 1]! } = selection;
  const { R, K, A, M } = counts;
  // Thresholds of linspace differ from what one types in the last bits.
  const nearIou = params.iouThrs.findIndex((threshold) => Math.abs(threshold - iou) < 1e-9);
  const t = placeOf("IoU", iou, nearIou, params.iouThrs);
  const a = placeOf("area", area, params.areaRngLbl.indexOf(area), params.areaRngLbl);
  const m = placeOf("maxDets", maxDets, params.maxDets.indexOf(maxDets), params.maxDets);
  const only =
    categoryId === undefined || !params.useCats
      ? undefined
      : placeOf("category", categoryId, params.catIds.indexOf(categoryId), params.catIds);
  const meanAt = (values: Float64Array, r: number) => {
    let sum = 0;
    let count = 0;
    for (let k = only ?? 0; k < (only === undefined ? K : only + 1); k++) {
      const at = (((t * R + r) * K + k) * A + a) * M + m;
      if (precision[at]! <= -1) continue;
      sum += values[at]!;
      count++;
    }
    return count === 0 ? -1 : sum / count;
  };
  return {
    recall: params.recThrs.slice(),
    precision: params.recThrs.map((_, r) => meanAt(precision, r)),
    scores: params.recThrs.map((_, r) => meanAt(scores, r)),
  };
}
