// The matches of one image and category for a reader, with ids in place of rows (an entry of pycocotools' evalImgs).
import { ConfigError } from "@caddet/core/base";
import type { EvaluationInput } from "./evaluate";
import type { DetectionGroups, TruthGroups } from "./evaluation-groups";
import { HIGHEST_THRESHOLD, overlapOf } from "./overlaps";

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

/**
 * Matches one image and category anew, step by step as pycocotools does it.
 *
 * @param input both sides
 * @param address which image, category and area
 * @returns undefined where neither an annotation nor a detection is there
 * @throws ConfigError for what was not evaluated
 */
export function inspectCell(
  { truths, detections, params }: EvaluationInput,
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
  const [low, high] = params.areaRng[a]!;
  const outside = (size: number) => size < low || size > high;
  const placesOf = ({ start, imageSlots }: TruthGroups | DetectionGroups) =>
    Int32Array.from({ length: start[k + 1]! - start[k]! }, (_, n) => start[k]! + n).filter(
      (place) => imageSlots[place] === i,
    );
  const inFile = placesOf(truths);
  const dt = placesOf(detections)
    .sort((p, q) => detections.scores[q]! - detections.scores[p]!)
    .subarray(0, params.maxDets[params.maxDets.length - 1]!);
  const [T, D, G] = [params.iouThrs.length, dt.length, inFile.length];
  if (D === 0 && G === 0) return undefined;

  const isIgnored = (g: number) => truths.iscrowd[g] !== 0 || outside(truths.area[g]!);
  const gt = Int32Array.from([...inFile.filter((g) => !isIgnored(g)), ...inFile.filter(isIgnored)]);
  const gtIds = Float64Array.from(gt, (g) => truths.ids[g]!);
  const gtIgnore = Uint8Array.from(gt, (g) => (isIgnored(g) ? 1 : 0));
  const dtIds = Float64Array.from(dt, (d) => detections.rows[d]! + 1);
  const overlaps = Float64Array.from({ length: D * G }, (_, at) => {
    const g = gt[at % G]!;
    return overlapOf(detections.boxes, dt[Math.floor(at / G)]! * 4, truths.boxes, g * 4, truths.iscrowd[g] !== 0);
  });
  const dtMatches = new Float64Array(T * D);
  const gtMatches = new Float64Array(T * G);
  const dtIgnore = new Uint8Array(T * D);
  for (let t = 0; t < T; t++) {
    for (let d = 0; d < D; d++) {
      let best = Math.min(params.iouThrs[t]!, HIGHEST_THRESHOLD);
      let match = -1;
      for (let g = 0; g < G; g++) {
        if (gtMatches[t * G + g]! > 0 && truths.iscrowd[gt[g]!] === 0) continue;
        if (match >= 0 && gtIgnore[match] === 0 && gtIgnore[g] === 1) break;
        if (overlaps[d * G + g]! < best) continue;
        best = overlaps[d * G + g]!;
        match = g;
      }
      const size = detections.boxes[dt[d]! * 4 + 2]! * detections.boxes[dt[d]! * 4 + 3]!;
      if (match >= 0) {
        dtMatches[t * D + d] = gtIds[match]!;
        gtMatches[t * G + match] = dtIds[d]!;
        dtIgnore[t * D + d] = gtIgnore[match]!;
      }
      const isUnmatched = match < 0 || (params.zeroIdIsUnmatched && gtIds[match] === 0);
      if (isUnmatched && outside(size)) dtIgnore[t * D + d] = 1;
    }
  }
  return {
    imageId,
    categoryId: params.useCats ? categoryId : -1,
    area,
    dtIds,
    dtScores: Float64Array.from(dt, (d) => detections.scores[d]!),
    gtIds,
    gtIgnore,
    dtMatches,
    gtMatches,
    dtIgnore,
    overlaps,
  };
}
