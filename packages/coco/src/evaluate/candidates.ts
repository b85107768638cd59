// One category's detections, image by image, with the annotations that each overlaps enough to matter. Boxes are looked at here and
// nowhere later: image by image they lie close together in memory, by falling score they do not.

import { grown } from "../json/growing-columns";
import { type DetectionGroups, longestGroup, type TruthGroups } from "./evaluation-groups";
import type { ResolvedParams } from "./evaluation-params";
import { HIGHEST_THRESHOLD, overlapOf } from "./overlaps";

/** A category's detections; overwritten by the next one. */
export interface Candidates {
  /** Detections of the category. */
  count: number;
  /** `[D, 4]`, see the places below: all that matching needs of a detection, close together. */
  readonly facts: Int32Array;
  /** `[C]`: annotations, counted from the category's first. */
  truths: Int32Array;
  /** `[C]` */
  overlaps: Float64Array;
}

/** Places in a detection's facts: its image, its candidates from first to last + 1, and the area ranges that it lies in as bits. */
export const [FACTS, IMAGE, FIRST, END, IN_RANGE] = [4, 0, 1, 2, 3] as const;

function growOverlaps(candidates: Candidates, count: number): void {
  if (count <= candidates.truths.length) return;
  candidates.truths = grown(candidates.truths, 2 * count);
  candidates.overlaps = grown(candidates.overlaps, 2 * count);
}

/**
 * Makes what finds candidates; its memory is made once, for the largest category.
 *
 * @param truths annotations by category
 * @param detections detections by category
 * @param params thresholds and area ranges
 * @returns finds those of category `k`
 */
export function createCandidateFinder(
  truths: TruthGroups,
  detections: DetectionGroups,
  { iouThrs, areaRng }: ResolvedParams,
): (k: number) => Candidates {
  const lowest = iouThrs.reduce((a, b) => Math.min(a, b), HIGHEST_THRESHOLD);
  const lows = Float64Array.from(areaRng, ([low]) => low);
  const highs = Float64Array.from(areaRng, ([, high]) => high);
  const { imageSlots, boxes } = detections;
  const facts = new Int32Array(longestGroup(detections.start) * FACTS);
  const found: Candidates = { count: 0, facts, truths: new Int32Array(1024), overlaps: new Float64Array(1024) };

  function rangesOf(area: number): number {
    let bits = 0;
    for (let a = 0; a < lows.length; a++) if (!(area < lows[a]! || area > highs[a]!)) bits |= 1 << a;
    return bits;
  }

  return (k) => {
    const firstTruth = truths.start[k]!;
    const endTruth = truths.start[k + 1]!;
    const first = detections.start[k]!;
    found.count = detections.start[k + 1]! - first;
    // The annotations of the current image: images come in the same order on both sides.
    let begin = firstTruth;
    let end = firstTruth;
    let current = -1;
    let total = 0;
    for (let d = 0; d < found.count; d++) {
      const at = first + d;
      const image = imageSlots[at]!;
      if (image !== current) {
        current = image;
        begin = end;
        while (begin < endTruth && truths.imageSlots[begin]! < image) begin++;
        end = begin;
        while (end < endTruth && truths.imageSlots[end] === image) end++;
      }
      facts[d * FACTS + IMAGE] = image;
      facts[d * FACTS + FIRST] = total;
      facts[d * FACTS + IN_RANGE] = rangesOf(boxes[at * 4 + 2]! * boxes[at * 4 + 3]!);
      growOverlaps(found, total + end - begin);
      for (let g = begin; g < end; g++) {
        const overlap = overlapOf(boxes, at * 4, truths.boxes, g * 4, truths.iscrowd[g] !== 0);
        if (overlap < lowest) continue; // NaN stays, as in numpy
        found.truths[total] = g - firstTruth;
        found.overlaps[total++] = overlap;
      }
      facts[d * FACTS + END] = total;
    }
    return found;
  };
}
