// COCO's twelve numbers and their like for each class, read off the curves (pycocotools' summarize).
import type { Curves } from "./accumulate";
import type { CategoryTable } from "./dataset";
import type { ResolvedParams } from "./evaluation-params";

/** Names of the twelve numbers, in order. */
export const STATISTIC_NAMES = [
  "AP",
  "AP50",
  "AP75",
  "APsmall",
  "APmedium",
  "APlarge",
  "AR1",
  "AR10",
  "AR100",
  "ARsmall",
  "ARmedium",
  "ARlarge",
] as const;

/** The numbers of one class; -1 where it has no annotation that counts. */
export interface ClassStatistics {
  readonly categoryId: number;
  /** Empty for an id that the data set lacks, and without categories. */
  readonly name: string;
  readonly ap: number;
  readonly ap50: number;
  readonly ap75: number;
  readonly apSmall: number;
  readonly apMedium: number;
  readonly apLarge: number;
  /** Average recall with the most detections. */
  readonly ar: number;
}

interface Selection {
  readonly curve: "precision" | "recall";
  readonly area: string;
  /** Place in maxDets. */
  readonly m: number;
  /** One threshold; all of them where absent. */
  readonly iou?: number;
  /** One category; all of them where absent. */
  readonly k?: number;
}

function range(n: number, only?: number): number[] {
  return only === undefined ? Array.from({ length: n }, (_, i) => i) : [only];
}

// The mean over what is not -1; -1 where nothing is left or the selection does not exist.
function mean(curves: Curves, params: ResolvedParams, numCategories: number, { curve, area, m, iou, k }: Selection) {
  const { iouThrs, recThrs, areaRng, areaRngLbl, maxDets } = params;
  const a = areaRngLbl.indexOf(area);
  const t = iou === undefined ? undefined : iouThrs.indexOf(iou);
  if (a < 0 || m < 0 || m >= maxDets.length || t === -1) return -1;
  const values = curves[curve];
  let sum = 0;
  let count = 0;
  for (const ti of range(iouThrs.length, t)) {
    for (const r of range(curve === "precision" ? recThrs.length : 1)) {
      const row = curve === "precision" ? ti * recThrs.length + r : ti;
      for (const ki of range(numCategories, k)) {
        const value = values[((row * numCategories + ki) * areaRng.length + a) * maxDets.length + m]!;
        if (value <= -1) continue;
        sum += value;
        count++;
      }
    }
  }
  return count === 0 ? -1 : sum / count;
}

/**
 * The twelve numbers of COCO.
 *
 * @returns by {@link STATISTIC_NAMES}; -1 where undefined. The first wants `maxDets` to have 100, as pycocotools does; the other
 *   precisions take the third of `maxDets`
 */
export function summarize(curves: Curves, params: ResolvedParams, numCategories: number): Float64Array {
  const of = (selection: Selection) => mean(curves, params, numCategories, selection);
  const precision = (area: string, iou?: number) => of({ curve: "precision", area, m: 2, iou });
  const recall = (area: string, m: number) => of({ curve: "recall", area, m });
  return Float64Array.of(
    of({ curve: "precision", area: "all", m: params.maxDets.indexOf(100) }),
    precision("all", 0.5),
    precision("all", 0.75),
    precision("small"),
    precision("medium"),
    precision("large"),
    recall("all", 0),
    recall("all", 1),
    recall("all", 2),
    recall("small", 2),
    recall("medium", 2),
    recall("large", 2),
  );
}

/** The numbers of each category, by the parameters' category ids, with the most detections. */
export function summarizeClasses(curves: Curves, params: ResolvedParams, categories: CategoryTable): ClassStatistics[] {
  const ids = params.useCats ? [...params.catIds] : [-1];
  const m = params.maxDets.length - 1;
  return ids.map((categoryId, k) => {
    const precision = (area: string, iou?: number) =>
      mean(curves, params, ids.length, { curve: "precision", area, m, iou, k });
    return {
      categoryId,
      name: categories.names[categories.ids.indexOf(categoryId)] ?? "",
      ap: precision("all"),
      ap50: precision("all", 0.5),
      ap75: precision("all", 0.75),
      apSmall: precision("small"),
      apMedium: precision("medium"),
      apLarge: precision("large"),
      ar: mean(curves, params, ids.length, { curve: "recall", area: "all", m, k }),
    };
  });
}

/**
 * The twelve numbers as text.
 *
 * @param stats `[12]`
 * @returns one line a number, with three decimals
 * @example formatStatistics(evaluateDetections(dataset, results).stats)
 */
export function formatStatistics(stats: ArrayLike<number>): string {
  return STATISTIC_NAMES.map((name, i) => `${name.padEnd(9)} ${stats[i]!.toFixed(3)}`).join("\n");
}
