// Precision and recall of one category (pycocotools' accumulate). False alarms are most of a category's detections and are only counted;
// what is kept are events: detections that matched something at one threshold or more, in the order of falling score.

import { grown } from "../json/growing-columns";
import { hitPrecision } from "./average-precision";
import type { ResolvedParams } from "./evaluation-params";

/** The arrays that an evaluation fills. */
export interface Curves {
  /** `[T, R, K, A, M]`, row-major. */
  readonly precision: Float64Array;
  /** `[T, R, K, A, M]`: the score at which each recall is reached. */
  readonly scores: Float64Array;
  /** `[T, K, A, M]` */
  readonly recall: Float64Array;
}

/** Room for curves. What is drawn is -1 where there is no annotation; precision and scores are drawn for every category. */
export function emptyCurves(params: ResolvedParams, numCategories: number): Curves {
  const cells = numCategories * params.areaRng.length * params.maxDets.length;
  const points = params.iouThrs.length * params.recThrs.length * cells;
  return {
    precision: new Float64Array(points),
    scores: new Float64Array(points),
    recall: new Float64Array(params.iouThrs.length * cells).fill(-1),
  };
}

/** Matched detections of one category and area range. Thresholds are bits, so that one walk serves up to 31 of them. */
export interface MatchEvents {
  count: number;
  /** `[E]`: thresholds at which the detection is a hit. */
  hits: Int32Array;
  /** `[E]`: thresholds at which it would be a false alarm, had it no match. */
  excused: Int32Array;
  /** `[E]`: the first of the limits that counts it. */
  limits: Uint8Array;
  /** `[E * M]`: detections with an area in range so far, this one included, within each limit. */
  inRange: Int32Array;
  /** `[E]` */
  scores: Float64Array;
}

/** Events without memory; {@link reserveEvent} gets it. */
export function emptyEvents(): MatchEvents {
  return {
    count: 0,
    hits: new Int32Array(0),
    excused: new Int32Array(0),
    limits: new Uint8Array(0),
    inRange: new Int32Array(0),
    scores: new Float64Array(0),
  };
}

/** Makes room for one more event of `numLimits` limits. */
export function reserveEvent(events: MatchEvents, numLimits: number): void {
  if (events.count < events.hits.length) return;
  const room = Math.max(256, events.hits.length * 2);
  events.hits = grown(events.hits, room);
  events.excused = grown(events.excused, room);
  events.limits = grown(events.limits, room);
  events.inRange = grown(events.inRange, room * numLimits);
  events.scores = grown(events.scores, room);
}

/** What a category's part of the curves is drawn from. */
export interface CategoryEvents {
  /** `[A]` */
  readonly events: readonly MatchEvents[];
  /** `[A]`: annotations that count. */
  readonly truths: Int32Array;
  /** The highest score of all its detections, 0 where it has none. */
  readonly firstScore: number;
  /** The thresholds that the bits stand for. */
  readonly firstThreshold: number;
  readonly numThresholds: number;
}

/**
 * Makes what draws curves; its scratch memory is made once.
 *
 * @param curves written to
 * @returns draws the curves of category `k` of `numCategories` at the thresholds that the events have
 */
export function createCurveWriter(
  curves: Curves,
  { recThrs, maxDets, areaRng }: ResolvedParams,
  numCategories: number,
): (category: CategoryEvents, k: number) => void {
  const [R, A, M] = [recThrs.length, areaRng.length, maxDets.length];
  // A category's part is drawn into a small block [T, R, A, M], and copied row by row: its columns lie far apart in the curves.
  const width = A * M;
  let block = { precision: new Float64Array(0), scores: new Float64Array(0) };
  /** Hits that each recall needs. */
  const needed = new Int32Array(R);
  let precision = new Float64Array(0); // at each hit
  let places = new Int32Array(0); // the event of each hit

  function countNeeded(numTruths: number): void {
    let hits = 1;
    // recThrs rise, so the hits needed do too.
    for (let r = 0; r < R; r++) {
      while (hits <= numTruths && hits / numTruths < recThrs[r]!) hits++;
      needed[r] = hits;
    }
  }

  // Walks down the events at threshold bit `bit` within limit `m`; returns the number of hits.
  function findHits({ count, hits, excused, limits, inRange }: MatchEvents, bit: number, m: number): number {
    let found = 0;
    let notAlarms = 0;
    for (let e = 0; e < count; e++) {
      if (limits[e]! > m) continue;
      if ((excused[e]! & bit) !== 0) notAlarms++;
      if ((hits[e]! & bit) === 0) continue;
      places[found++] = e;
      precision[found - 1] = hitPrecision(found, inRange[e * M + m]! - notAlarms);
    }
    for (let h = found - 2; h >= 0; h--) if (precision[h]! < precision[h + 1]!) precision[h] = precision[h + 1]!;
    return found;
  }

  // One curve into column `column` of the block, from row `row` on.
  function sample({ scores }: MatchEvents, found: number, firstScore: number, row: number, column: number): void {
    for (let r = 0, at = row * width + column; r < R; r++, at += width) {
      const h = needed[r]! - 1;
      block.precision[at] = h < found ? precision[h]! : 0;
      // Recall 0 is reached at the first detection, whatever that is.
      block.scores[at] = recThrs[r]! <= 0 ? firstScore : h < found ? scores[places[h]!]! : 0;
    }
  }

  function copyBlock(firstRow: number, rows: number, k: number): void {
    for (let row = 0; row < rows; row++) {
      const to = ((firstRow + row) * numCategories + k) * width;
      for (let column = 0; column < width; column++) {
        curves.precision[to + column] = block.precision[row * width + column]!;
        curves.scores[to + column] = block.scores[row * width + column]!;
      }
    }
  }

  return ({ events, truths, firstScore, firstThreshold, numThresholds }, k) => {
    const size = numThresholds * R * width;
    if (block.precision.length !== size) {
      block = { precision: new Float64Array(size), scores: new Float64Array(size) };
    }
    block.precision.fill(-1);
    block.scores.fill(-1);
    for (let a = 0; a < A; a++) {
      const numTruths = truths[a]!;
      if (numTruths === 0) continue;
      if (precision.length < numTruths) {
        precision = new Float64Array(numTruths);
        places = new Int32Array(numTruths);
      }
      countNeeded(numTruths);
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < numThresholds; n++) {
          const found = findHits(events[a]!, 1 << n, m);
          const column = a * M + m;
          curves.recall[((firstThreshold + n) * numCategories + k) * width + column] = found / numTruths;
          sample(events[a]!, found, firstScore, n * R, column);
        }
      }
    }
    copyBlock(firstThreshold * R, numThresholds * R, k);
  };
}
