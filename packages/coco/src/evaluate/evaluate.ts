// COCO's box evaluation with pycocotools 2.0's numbers, over typed arrays: boxes are grouped by category once, and one walk
// down a category's detections matches them and draws its curves. Masks and key points are not evaluated.

import type { CocoResults } from "../results/results";
import { type Curves, createCurveWriter, emptyCurves } from "./accumulate";
import { createCandidateFinder } from "./candidates";
import {
  type DetectionGroups,
  type EvaluationGroups,
  type EvaluationTruth,
  groupEvaluation,
  longestGroup,
  type TruthGroups,
  upTo,
} from "./evaluation-groups";
import { type EvaluationParams, type ResolvedParams, resolveParams } from "./evaluation-params";
import { type ImageEvaluation, inspectCell } from "./image-evaluation";
import { createMatcher, THRESHOLDS_AT_ONCE } from "./match";
import { createScoreSorter } from "./score-order";
import { type ClassStatistics, summarize, summarizeClasses } from "./statistics";

/** The outcome of an evaluation. */
export interface EvaluationResult extends Curves {
  /** `[12]`: COCO's numbers, named by `STATISTIC_NAMES`; -1 where undefined. */
  readonly stats: Float64Array;
  /** Lengths of the axes of the curves: IoU thresholds, recalls, categories, areas, maxDets. */
  readonly counts: {
    readonly T: number;
    readonly R: number;
    readonly K: number;
    readonly A: number;
    readonly M: number;
  };
  /** `[K]` */
  readonly perClass: readonly ClassStatistics[];
  /** What the evaluation ran with. */
  readonly params: ResolvedParams;
  /** What a reader of the numbers should know: dropped detections, ids of 0, repeated ids. */
  readonly warnings: readonly string[];
  /**
   * The matches of one image and category, computed anew.
   *
   * @param imageId an evaluated image
   * @param categoryId an evaluated category; any number without categories
   * @param area the label of a range of areas, default "all"
   * @returns undefined where neither an annotation nor a detection is there
   */
  imageEvaluation(imageId: number, categoryId: number, area?: string): ImageEvaluation | undefined;
}

/** Both sides of an evaluation, by category. */
export interface EvaluationInput {
  readonly truths: TruthGroups;
  readonly detections: DetectionGroups;
  readonly params: ResolvedParams;
}

// Matches all categories and draws their curves; returns how many matches the id 0 made void. Small categories come first: with them
// the engine learns what is worth compiling.
function evaluateCategories({ truths, detections, params }: EvaluationInput, curves: Curves): number {
  const { start } = detections;
  const load = (k: number) => start[k + 1]! - start[k]!;
  const categories = upTo(start.length - 1).sort((p, q) => load(p) - load(q));
  const find = createCandidateFinder(truths, detections, params);
  const match = createMatcher(truths, params);
  const draw = createCurveWriter(curves, params, detections.start.length - 1);
  const sortByScore = createScoreSorter(longestGroup(detections.start));
  let voided = 0;
  for (const k of categories) {
    const candidates = find(k);
    const scores = detections.scores.subarray(detections.start[k]!, detections.start[k + 1]!);
    const order = sortByScore(scores);
    for (let t = 0; t < params.iouThrs.length; t += THRESHOLDS_AT_ONCE) {
      const matches = match(k, { candidates, scores, order }, t);
      voided += matches.voided;
      draw(matches, k);
    }
  }
  return voided;
}

function warningsOf({ droppedDetections, repeatedIds }: EvaluationGroups, voided: number): string[] {
  const warnings: string[] = [];
  if (droppedDetections > 0)
    warnings.push(`${droppedDetections} detections of categories outside catIds were dropped.`);
  if (repeatedIds > 0) {
    warnings.push(
      `${repeatedIds} annotations share their id with a later one, which stands in for them as in pycocotools.`,
    );
  }
  if (voided > 0) {
    warnings.push(
      `${voided} matches with an annotation of id 0 were counted as none, as in pycocotools. Number annotations from 1, or set zeroIdIsUnmatched: false.`,
    );
  }
  return warnings;
}

/**
 * Evaluates detections against annotations.
 *
 * @param truth a data set; parse it with `onBadEntry: "keep"` for pycocotools' numbers where a file has degenerate boxes
 * @param results detections in source pixels
 * @param params default: COCO's
 * @returns COCO's numbers, curves `[T, R, K, A, M]` and, on demand, the matches of an image
 * @throws DatasetError when a detection's image is not in the data set; ConfigError when a parameter is empty or contradicts another
 * @example evaluateDetections(dataset, parseResults(JSON.parse(text), { file })).stats[0] // AP
 */
export function evaluateDetections(
  truth: EvaluationTruth,
  results: CocoResults,
  params: EvaluationParams = {},
): EvaluationResult {
  const resolved = resolveParams(params, { imgIds: truth.images.ids, catIds: truth.categories.ids });
  const groups = groupEvaluation(truth, results, resolved);
  const { numCategories } = groups;
  const input = { truths: groups.truths, detections: groups.detections, params: resolved };
  const curves = emptyCurves(resolved, numCategories);
  const voided = evaluateCategories(input, curves);
  return {
    ...curves,
    stats: summarize(curves, resolved, numCategories),
    counts: {
      T: resolved.iouThrs.length,
      R: resolved.recThrs.length,
      K: numCategories,
      A: resolved.areaRng.length,
      M: resolved.maxDets.length,
    },
    perClass: summarizeClasses(curves, resolved, truth.categories),
    params: resolved,
    warnings: warningsOf(groups, voided),
    imageEvaluation: (imageId, categoryId, area = "all") => inspectCell(input, { imageId, categoryId, area }),
  };
}
