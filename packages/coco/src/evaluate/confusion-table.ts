// Which classes a detector takes for which: a confusion table of detections against annotations. COCO defines none; this is the usual
// one of detection tool kits, with the rules said below.
import { ConfigError } from "@caddet/core/base";
import type { CocoResults } from "../results/results";
import type { EvaluationTruth } from "./evaluation-groups";
import { bestOverlap, imageScenes } from "./image-scene";

/** Options of {@link confusionTable}. */
export interface ConfusionOptions {
  /** The lowest IoU of a match, above 0, default 0.5. */
  readonly iou?: number;
  /** Detections below are left out, default 0.3. */
  readonly score?: number;
}

/** Counts of pairs. */
export interface ConfusionTable {
  /** `[(K + 1) * (K + 1)]`: rows are true classes, columns predicted ones, the last of both is the background. */
  readonly counts: Int32Array;
  /** `[K]`: category ids of rows and columns. */
  readonly categoryIds: Float64Array;
  /** `[K]` */
  readonly names: readonly string[];
}

/**
 * Counts which classes were taken for which.
 *
 * Detections of at least `score` choose by falling score, each the free annotation that it overlaps most, whatever its class. One
 * that finds none counts against the background, unless it overlaps a crowd by `iou`; an annotation that stays free counts as
 * taken for background. Crowds count nowhere.
 *
 * @param truth a data set
 * @param results detections; those of unknown categories are left out
 * @param options lowest IoU and score
 * @returns counts `[K + 1, K + 1]`
 * @throws ConfigError for an IoU that is not in (0, 1]; DatasetError when a detection's image is not in the data set
 * @example confusionTable(dataset, results).counts[0] // of the first class, found as such
 */
export function confusionTable(
  truth: EvaluationTruth,
  results: CocoResults,
  { iou = 0.5, score = 0.3 }: ConfusionOptions = {},
): ConfusionTable {
  if (!(iou > 0 && iou <= 1)) throw new ConfigError(`iou needs a number above 0 and up to 1, got ${iou}.`, { iou });
  const { categoryIndex, iscrowd } = truth.annotations;
  const background = truth.categories.ids.length;
  const size = background + 1;
  const counts = new Int32Array(size * size);
  for (const scene of imageScenes(truth, results, score)) {
    const taken = new Uint8Array(scene.truths.length);
    const isCrowd = (g: number) => iscrowd[scene.truths[g]!] !== 0;
    for (let d = 0; d < scene.detections.length; d++) {
      const label = scene.labels[d]!;
      const g = bestOverlap(scene, d, iou, (candidate) => taken[candidate] === 0 && !isCrowd(candidate));
      if (g >= 0) {
        taken[g] = 1;
        counts[categoryIndex[scene.truths[g]!]! * size + label]!++;
      } else if (bestOverlap(scene, d, iou, isCrowd) < 0) counts[background * size + label]!++;
    }
    for (let g = 0; g < taken.length; g++) {
      if (taken[g] === 0 && !isCrowd(g)) counts[categoryIndex[scene.truths[g]!]! * size + background]!++;
    }
  }
  return { counts, categoryIds: truth.categories.ids, names: truth.categories.names };
}
