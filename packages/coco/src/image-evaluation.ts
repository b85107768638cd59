// The matches of one image and category for a reader, with ids in place of rows (an entry of pycocotools' evalImgs).
import { ConfigError } from "@caddet/core/base";
import type { EvaluationCells } from "./evaluation-cells";
import type { ResolvedParams } from "./evaluation-params";
import type { Matcher } from "./match";

/** The matches of one image and category within one range of areas. */
export interface ImageEvaluation {
  readonly imageId: number;
  /** -1 without categories. */
  readonly categoryId: number;
  readonly area: string;
  /** `[D]`: position in the results + 1, by falling score. */
  readonly dtIds: Float64Array;
  /** `[D]` */
  readonly dtScores: Float64Array;
  /** `[G]`: annotation ids, those that count first, then the ignored ones. */
  readonly gtIds: Float64Array;
  /** `[G]`: 1 for a crowd or an area out of range. */
  readonly gtIgnore: Uint8Array;
  /** `[T * D]`: the annotation's id, 0 for none. */
  readonly dtMatches: Float64Array;
  /** `[T * G]`: the detection's id, 0 for none. */
  readonly gtMatches: Float64Array;
  /** `[T * D]`: 1 where the detection counts neither way. */
  readonly dtIgnore: Uint8Array;
  /** `[D * G]`: overlaps, columns as `gtIds`. */
  readonly overlaps: Float64Array;
}

/** Which cell to look at. */
export interface CellAddress {
  readonly imageId: number;
  readonly categoryId: number;
  readonly area: string;
}

/** Matches one cell anew and names its rows by id; undefined where the cell is empty. */
export function inspectCell(
  { truths, detections, numImages }: EvaluationCells,
  matcher: Matcher,
  params: ResolvedParams,
  { imageId, categoryId, area }: CellAddress,
): ImageEvaluation | undefined {
  const i = params.imgIds.indexOf(imageId);
  const k = params.useCats ? params.catIds.indexOf(categoryId) : 0;
  const a = params.areaRngLbl.indexOf(area);
  if (i < 0 || k < 0 || a < 0) {
    throw new ConfigError(
      `Image ${imageId}, category ${categoryId} and area "${area}" were not evaluated together. Check the evaluation's params.`,
      { imageId, categoryId, area },
    );
  }
  const cell = k * numImages + i;
  const firstDetection = detections.start[cell]!;
  const firstTruth = truths.start[cell]!;
  matcher.load(cell);
  const { numDetections: D, numTruths: G } = matcher;
  if (D === 0 && G === 0) return undefined;
  matcher.match(params.areaRng[a]!);

  const T = params.iouThrs.length;
  const [low, high] = params.areaRng[a]!;
  const order = matcher.order.slice(0, G);
  const gtIds = Float64Array.from(order, (g) => truths.ids[firstTruth + g]!);
  const dtIds = detections.ids.slice(firstDetection, firstDetection + D);
  const dtMatches = Float64Array.from({ length: T * D }, (_, at) => {
    const match = matcher.detectionMatch[at]!;
    return match > 0 ? gtIds[match - 1]! : 0;
  });
  const dtIgnore = Uint8Array.from({ length: T * D }, (_, at) => {
    const match = matcher.detectionMatch[at]!;
    if (match > 0 && matcher.truthIgnored[match - 1] === 1) return 1;
    const matched = params.zeroIdIsUnmatched ? dtMatches[at] !== 0 : match > 0;
    const size = detections.area[firstDetection + (at % D)]!;
    return !matched && (size < low || size > high) ? 1 : 0;
  });
  return {
    imageId,
    categoryId: params.useCats ? categoryId : -1,
    area,
    dtIds,
    dtScores: detections.scores.slice(firstDetection, firstDetection + D),
    gtIds,
    gtIgnore: matcher.truthIgnored.slice(0, G),
    dtMatches,
    gtMatches: Float64Array.from({ length: T * G }, (_, at) => {
      const match = matcher.truthMatch[at]!;
      return match > 0 ? dtIds[match - 1]! : 0;
    }),
    dtIgnore,
    overlaps: Float64Array.from({ length: D * G }, (_, at) => {
      return matcher.overlaps[Math.floor(at / G) * G + order[at % G]!]!;
    }),
  };
}
