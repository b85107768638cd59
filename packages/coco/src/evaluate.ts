// COCO's box evaluation with pycocotools 2.0's numbers, over typed arrays: boxes are sorted into cells once, each cell is matched
// for all thresholds, and each category's curve is drawn from one byte of verdict a detection. Masks and key points are not evaluated.
import {
  accumulateCategory,
  type CategoryVerdicts,
  type Curves,
  emptyCurves,
  FALSE_ALARM,
  HIT,
  IGNORED,
} from "./accumulate";
import { type EvaluationCells, type EvaluationTruth, gatherCells } from "./evaluation-cells";
import { type EvaluationParams, type ResolvedParams, resolveParams } from "./evaluation-params";
import { type ImageEvaluation, inspectCell } from "./image-evaluation";
import { createMatcher, type Matcher } from "./match";
import type { CocoResults } from "./results";
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

// Where each detection of a category stands when all are sorted by falling score, images in order where scores are equal.
function placesByScore(scores: Float64Array): Int32Array {
  const byScore = Uint32Array.from(scores, (_, d) => d).sort((p, q) => scores[q]! - scores[p]! || p - q);
  const places = new Int32Array(scores.length);
  for (let place = 0; place < byScore.length; place++) places[byScore[place]!] = place;
  return places;
}

interface Tally {
  /** Matches that the id 0 made void. */
  voided: number;
}

function judgeCategory(
  cells: EvaluationCells,
  params: ResolvedParams,
  matcher: Matcher,
  k: number,
  tally: Tally,
): CategoryVerdicts {
  const { truths, detections, numImages } = cells;
  const [T, A] = [params.iouThrs.length, params.areaRng.length];
  const begin = detections.start[k * numImages]!;
  const end = detections.start[(k + 1) * numImages]!;
  const numDetections = end - begin;
  const places = placesByScore(detections.scores.subarray(begin, end));
  const scores = new Float64Array(numDetections);
  const ranks = new Int32Array(numDetections);
  const verdicts = new Uint8Array(A * T * numDetections);
  const counted = new Int32Array(A);

  for (let cell = k * numImages; cell < (k + 1) * numImages; cell++) {
    const firstDetection = detections.start[cell]!;
    const firstTruth = truths.start[cell]!;
    const inCell = detections.start[cell + 1]! - firstDetection;
    const truthsInCell = truths.start[cell + 1]! - firstTruth;
    if (inCell === 0 && truthsInCell === 0) continue;
    for (let d = 0; d < inCell; d++) {
      const place = places[firstDetection - begin + d]!;
      scores[place] = detections.scores[firstDetection + d]!;
      ranks[place] = d;
    }
    if (truthsInCell > 0) matcher.load(cell);
    for (let a = 0; a < A; a++) {
      const [low, high] = params.areaRng[a]!;
      if (truthsInCell > 0) {
        matcher.match(params.areaRng[a]!);
        for (let g = 0; g < truthsInCell; g++) if (matcher.truthIgnored[g] === 0) counted[a]!++;
      }
      for (let d = 0; d < inCell; d++) {
        const area = detections.area[firstDetection + d]!;
        const unmatched = area < low || area > high ? IGNORED : FALSE_ALARM;
        const at = a * T * numDetections + places[firstDetection - begin + d]!;
        for (let t = 0; t < T; t++) {
          const match = truthsInCell > 0 ? matcher.detectionMatch[t * inCell + d]! : 0;
          let verdict = unmatched;
          if (match > 0) {
            const ignored = matcher.truthIgnored[match - 1] === 1;
            const voided = params.zeroIdIsUnmatched && truths.ids[firstTruth + matcher.order[match - 1]!] === 0;
            if (voided) tally.voided++;
            if (ignored) verdict = IGNORED;
            else if (!voided) verdict = HIT;
          }
          verdicts[at + t * numDetections] = verdict;
        }
      }
    }
  }
  return { scores, ranks, verdicts, truths: counted };
}

function warningsOf({ droppedDetections, repeatedIds }: EvaluationCells, { voided }: Tally): string[] {
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
  const cells = gatherCells(truth, results, resolved);
  const matcher = createMatcher(cells, resolved);
  const curves = emptyCurves(resolved, cells.numCategories);
  const tally: Tally = { voided: 0 };
  for (let k = 0; k < cells.numCategories; k++) {
    const verdicts = judgeCategory(cells, resolved, matcher, k, tally);
    accumulateCategory(curves, verdicts, resolved, k, cells.numCategories);
  }
  const { iouThrs, recThrs, areaRng, maxDets } = resolved;
  return {
    ...curves,
    stats: summarize(curves, resolved, cells.numCategories),
    counts: {
      T: iouThrs.length,
      R: recThrs.length,
      K: cells.numCategories,
      A: areaRng.length,
      M: maxDets.length,
    },
    perClass: summarizeClasses(curves, resolved, truth.categories),
    params: resolved,
    warnings: warningsOf(cells, tally),
    imageEvaluation: (imageId, categoryId, area = "all") =>
      inspectCell(cells, matcher, resolved, { imageId, categoryId, area }),
  };
}
