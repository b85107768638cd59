// COCO's twelve numbers and their like for each class, read off the curves (pycocotools' summarize).

import type { CategoryTable } from "../dataset/dataset";
import type { Curves } from "./accumulate";
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
  /** Average recall with the most detections, as the following. */
  readonly ar: number;
  readonly arSmall: number;
  readonly arMedium: number;
  readonly arLarge: number;
}

// numpy's pairwise sum, so that means are equal bit for bit.
function pairwiseSum(values: Float64Array, from: number, count: number): number {
  if (count > 128) {
    const half = Math.floor(count / 2);
    const left = half - (half % 8);
    return pairwiseSum(values, from, left) + pairwiseSum(values, from + left, count - left);
  }
  const end = from + count;
  let sum = 0;
  let n = from;
  if (count >= 8) {
    const lanes = values.slice(from, from + 8);
    for (n += 8; n + 8 <= end; n += 8) for (let lane = 0; lane < 8; lane++) lanes[lane]! += values[n + lane]!;
    const [a, b, c, d, e, f, g, h] = lanes as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    sum = a + b + (c + d) + (e + f + (g + h));
  }
  for (; n < end; n++) sum += values[n]!;
  return sum;
}

/** Part of a curve: rows are thresholds (and recalls), columns are areas and limits. */
interface Selection {
  /** `[rows, K, A, M]` */
  readonly values: Float64Array;
  readonly firstRow: number;
  readonly rows: number;
  readonly a: number;
  readonly m: number;
}

// The mean over what is not -1; -1 where nothing is left or the selection does not exist.
function meanOf({ values, firstRow, rows, a, m }: Selection, params: ResolvedParams, numCategories: number): number {
  const [A, M] = [params.areaRng.length, params.maxDets.length];
  if (a < 0 || m < 0 || m >= M || firstRow < 0) return -1;
  const chosen = new Float64Array(rows * numCategories);
  let count = 0;
  for (let n = 0; n < chosen.length; n++) {
    const value = values[((firstRow * numCategories + n) * A + a) * M + m]!;
    if (value > -1) chosen[count++] = value;
  }
  return count === 0 ? -1 : pairwiseSum(chosen, 0, count) / count;
}

/**
 * The twelve numbers of COCO.
 *
 * @returns by {@link STATISTIC_NAMES}; -1 where undefined. The first wants `maxDets` to have 100, as pycocotools does; the other
 *   precisions take the third of `maxDets`
 */
export function summarize(curves: Curves, params: ResolvedParams, numCategories: number): Float64Array {
  const R = params.recThrs.length;
  const T = params.iouThrs.length;
  const areaOf = (area: string) => params.areaRngLbl.indexOf(area);
  const precision = (area: string, iou?: number, m = 2) => {
    const t = iou === undefined ? 0 : params.iouThrs.indexOf(iou);
    const part = { firstRow: t * R, rows: iou === undefined ? T * R : R, a: areaOf(area), m };
    return meanOf({ values: curves.precision, ...part }, params, numCategories);
  };
  const recall = (area: string, m: number) =>
    meanOf({ values: curves.recall, firstRow: 0, rows: T, a: areaOf(area), m }, params, numCategories);
  return Float64Array.of(
    precision("all", undefined, params.maxDets.indexOf(100)),
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

// `[K * A]`: means over `rows` of a curve with the most detections, -1 where there are none. All classes in one pass.
function meansByClass(
  values: Float64Array,
  firstRow: number,
  rows: number,
  params: ResolvedParams,
  numCategories: number,
) {
  const [A, M] = [params.areaRng.length, params.maxDets.length];
  const width = numCategories * A;
  const sums = new Float64Array(width);
  const means = new Float64Array(width).fill(-1);
  if (firstRow < 0) return means;
  const counts = new Int32Array(width);
  for (let row = firstRow; row < firstRow + rows; row++) {
    for (let column = 0; column < width; column++) {
      const value = values[(row * width + column) * M + M - 1]!;
      if (value <= -1) continue;
      sums[column]! += value;
      counts[column]!++;
    }
  }
  for (let column = 0; column < width; column++) {
    if (counts[column]! > 0) means[column] = sums[column]! / counts[column]!;
  }
  return means;
}

/** The numbers of each category, by the parameters' category ids, with the most detections. */
export function summarizeClasses(curves: Curves, params: ResolvedParams, categories: CategoryTable): ClassStatistics[] {
  const ids = params.useCats ? [...params.catIds] : [-1];
  const [T, R, A] = [params.iouThrs.length, params.recThrs.length, params.areaRng.length];
  const precision = (iou: number) =>
    meansByClass(curves.precision, params.iouThrs.indexOf(iou) * R, R, params, ids.length);
  const ap = meansByClass(curves.precision, 0, T * R, params, ids.length);
  const ap50 = precision(0.5);
  const ap75 = precision(0.75);
  const ar = meansByClass(curves.recall, 0, T, params, ids.length);
  return ids.map((categoryId, k) => {
    const of = (means: Float64Array, area: string) => {
      const a = params.areaRngLbl.indexOf(area);
      return a < 0 ? -1 : means[k * A + a]!;
    };
    return {
      categoryId,
      name: categories.names[categories.ids.indexOf(categoryId)] ?? "",
      ap: of(ap, "all"),
      ap50: of(ap50, "all"),
      ap75: of(ap75, "all"),
      apSmall: of(ap, "small"),
      apMedium: of(ap, "medium"),
      apLarge: of(ap, "large"),
      ar: of(ar, "all"),
      arSmall: of(ar, "small"),
      arMedium: of(ar, "medium"),
      arLarge: of(ar, "large"),
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
