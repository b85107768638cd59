// One image with all its annotations and detections, whatever their classes, and their overlaps: what analyses look at that go beyond
// COCO's numbers. The evaluation itself goes class by class and does not use it.

import type { CocoResults } from "../results/results";
import type { EvaluationTruth } from "./evaluation-groups";
import { groupRows, imageSlotsOf, upTo } from "./evaluation-groups";
import { overlapOf } from "./overlaps";
import { slotOf, slotTable } from "./slot-table";

/** The boxes of one image. */
export interface ImageScene {
  readonly imageId: number;
  /** `[G]`: rows of the annotation table, in the file's order. */
  readonly truths: Int32Array;
  /** `[D]`: positions in the results, by falling score. */
  readonly detections: Int32Array;
  /** `[D]`: rows of the category table. */
  readonly labels: Int32Array;
  /** `[D * G]`: IoU, with a crowd over the detection's area. */
  readonly overlaps: Float64Array;
}

/**
 * Goes through the images of a data set in the order of their ids.
 *
 * @param truth a data set
 * @param results detections; those of unknown categories are left out
 * @param lowestScore detections below are left out, default none
 * @returns one scene an image
 * @throws DatasetError when a detection's image is not in the data set
 */
export function* imageScenes(
  truth: EvaluationTruth,
  results: CocoResults,
  lowestScore = Number.NEGATIVE_INFINITY,
): Generator<ImageScene> {
  const { annotations } = truth;
  const { scores, boxes } = results;
  const ids = truth.images.ids.slice().sort();
  const imageSlots = slotTable(ids);
  const slotOfImage = Int32Array.from(truth.images.ids, (id) => slotOf(imageSlots, id));
  const truthSlots = annotations.imageIndex.map((image) => slotOfImage[image]!);
  const truthsByImage = groupRows(upTo(truthSlots.length), truthSlots, ids.length);

  const categories = slotTable(truth.categories.ids);
  const labelOf = Int32Array.from(results.categoryIds, (id) => slotOf(categories, id));
  const chosen = imageSlotsOf(results.imageIds, ids, ids).map((slot, row) =>
    labelOf[row]! >= 0 && scores[row]! >= lowestScore ? slot : -1,
  );
  const detectionsByImage = groupRows(upTo(chosen.length), chosen, ids.length);

  for (let image = 0; image < ids.length; image++) {
    const truths = truthsByImage.rows.subarray(truthsByImage.start[image]!, truthsByImage.start[image + 1]!);
    const detections = detectionsByImage.rows
      .slice(detectionsByImage.start[image]!, detectionsByImage.start[image + 1]!)
      .sort((p, q) => scores[q]! - scores[p]!);
    const overlaps = new Float64Array(detections.length * truths.length);
    for (let d = 0, at = 0; d < detections.length; d++) {
      for (let g = 0; g < truths.length; g++, at++) {
        const row = truths[g]!;
        overlaps[at] = overlapOf(boxes, detections[d]! * 4, annotations.boxes, row * 4, annotations.iscrowd[row] !== 0);
      }
    }
    yield { imageId: ids[image]!, truths, detections, labels: detections.map((row) => labelOf[row]!), overlaps };
  }
}

/**
 * The annotation that a detection overlaps most, of several equal ones the last.
 *
 * @param scene an image
 * @param d place of the detection
 * @param iou the lowest overlap
 * @param isFree which annotations may be chosen
 * @returns place of the annotation, -1 where there is none
 */
export function bestOverlap(
  { truths, overlaps }: ImageScene,
  d: number,
  iou: number,
  isFree: (g: number) => boolean,
): number {
  let best = iou;
  let chosen = -1;
  for (let g = 0; g < truths.length; g++) {
    const overlap = overlaps[d * truths.length + g]!;
    if (overlap < best || !isFree(g)) continue;
    best = overlap;
    chosen = g;
  }
  return chosen;
}
