// Matches one category in one walk down its detections by falling score (pycocotools' evaluateImg). Matches at all IoU thresholds
// are the bits of one word, so most detections cost a few operations.
import { type CategoryEvents, emptyEvents, reserveEvent } from "./accumulate";
import { type Candidates, END, FACTS, FIRST, IMAGE, IN_RANGE } from "./candidates";
import type { TruthGroups } from "./evaluation-groups";
import type { ResolvedParams } from "./evaluation-params";
import { HIGHEST_THRESHOLD } from "./overlaps";

/** Thresholds that one walk matches: the bits of a word beside the sign. */
export const THRESHOLDS_AT_ONCE = 31;

// The place of the lowest bit that is set.
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** A category's matches; they stay valid until the next one. */
export interface CategoryMatches extends CategoryEvents {
  /** Matches that an annotation's id of 0 made void. */
  readonly voided: number;
}

/** One category's detections and their order. */
export interface SortedDetections {
  readonly candidates: Candidates;
  /** `[D]` */
  readonly scores: Float64Array;
  /** `[D]`: places by falling score. */
  readonly order: Int32Array;
}

/** Matches the detections of category `k` at up to {@link THRESHOLDS_AT_ONCE} thresholds. */
export type Matcher = (k: number, detections: SortedDetections, firstThreshold: number) => CategoryMatches;

/** Makes what matches categories one by one; its scratch memory is made once. */
export function createMatcher(truths: TruthGroups, params: ResolvedParams): Matcher {
  const { areaRng, maxDets, zeroIdIsUnmatched, iouThrs } = params;
  const [A, M] = [areaRng.length, maxDets.length];
  const lows = Float64Array.from(areaRng, ([low]) => low);
  const highs = Float64Array.from(areaRng, ([, high]) => high);
  const mostDetections = maxDets[M - 1]!;
  const events = areaRng.map(emptyEvents);
  const inRange = new Int32Array(A * M);
  const seen = new Int32Array(params.imgIds.length);
  let thresholds = new Float64Array(0);

  // The current category's annotations.
  let firstTruth = 0;
  let numTruths = 0;
  let ignored = new Uint8Array(0); // [A * G]
  let taken = new Int32Array(0); // [A * G]: thresholds at which it is matched
  let voided = 0;

  function loadTruths(k: number): Int32Array {
    firstTruth = truths.start[k]!;
    numTruths = truths.start[k + 1]! - firstTruth;
    ignored = new Uint8Array(A * numTruths);
    taken = new Int32Array(A * numTruths);
    const counted = new Int32Array(A);
    for (let a = 0; a < A; a++) {
      for (let g = 0; g < numTruths; g++) {
        const area = truths.area[firstTruth + g]!;
        const isIgnored = truths.iscrowd[firstTruth + g] !== 0 || area < lows[a]! || area > highs[a]!;
        if (isIgnored) ignored[a * numTruths + g] = 1;
        else counted[a]!++;
      }
    }
    return counted;
  }

  // The thresholds that an overlap reaches; NaN reaches all, as in numpy.
  function bitsOf(overlap: number): number {
    let bits = 0;
    for (let n = 0; n < thresholds.length; n++) if (!(overlap < thresholds[n]!)) bits |= 1 << n;
    return bits;
  }

  // Of candidates `from` to `to`, the one that takes the detection at threshold n, or -1: the best one that counts, else the best ignored one. Of equal
  // overlaps the last one wins.
  function choose(
    { truths: candidates, overlaps }: Candidates,
    from: number,
    to: number,
    n: number,
    a: number,
  ): number {
    for (let pass = 0; pass < 2; pass++) {
      let best = thresholds[n]!;
      let chosen = -1;
      for (let c = from; c < to; c++) {
        const g = candidates[c]!;
        if (ignored[a * numTruths + g] !== pass) continue;
        if ((taken[a * numTruths + g]! & (1 << n)) !== 0 && truths.iscrowd[firstTruth + g] === 0) continue;
        if (overlaps[c]! < best) continue;
        best = overlaps[c]!;
        chosen = g;
      }
      if (chosen >= 0) return chosen;
    }
    return -1;
  }

  let hitBits = 0;
  let matchedBits = 0;

  function take(g: number, bits: number, a: number): void {
    taken[a * numTruths + g]! |= bits;
    const isHit = ignored[a * numTruths + g] === 0;
    if (zeroIdIsUnmatched && truths.ids[firstTruth + g] === 0) {
      for (let rest = bits; rest !== 0; rest &= rest - 1) voided++;
      if (isHit) return;
    }
    matchedBits |= bits;
    if (isHit) hitBits |= bits;
  }

  function matchAt(candidates: Candidates, from: number, to: number, reached: number, a: number): void {
    hitBits = 0;
    matchedBits = 0;
    if (to - from === 1) {
      const g = candidates.truths[from]!;
      const busy = truths.iscrowd[firstTruth + g] === 0 ? taken[a * numTruths + g]! : 0;
      if ((reached & ~busy) !== 0) take(g, reached & ~busy, a);
      return;
    }
    for (let rest = reached; rest !== 0; rest &= rest - 1) {
      const n = lowestBit(rest);
      const g = choose(candidates, from, to, n, a);
      if (g >= 0) take(g, 1 << n, a);
    }
  }

  function addEvent(a: number, limit: number, counts: boolean, score: number): void {
    const into = events[a]!;
    reserveEvent(into, M);
    const e = into.count++;
    into.hits[e] = hitBits;
    into.excused[e] = counts ? matchedBits : 0;
    into.limits[e] = limit;
    into.scores[e] = score;
    let sum = 0;
    for (let m = 0; m < M; m++) {
      sum += inRange[a * M + m]!;
      into.inRange[e * M + m] = sum;
    }
  }

  return (k, { candidates, scores, order }, firstThreshold) => {
    thresholds = iouThrs
      .subarray(firstThreshold, firstThreshold + THRESHOLDS_AT_ONCE)
      .map((t) => Math.min(t, HIGHEST_THRESHOLD));
    const counted = loadTruths(k);
    const { facts, overlaps } = candidates;
    seen.fill(0);
    inRange.fill(0);
    for (const list of events) list.count = 0;
    voided = 0;
    for (let n = 0; numTruths > 0 && n < order.length; n++) {
      const d = order[n]!;
      const fact = d * FACTS;
      const rank = seen[facts[fact + IMAGE]!]!++;
      if (rank >= mostDetections) continue;
      let limit = 0;
      while (rank >= maxDets[limit]!) limit++;
      const ranges = facts[fact + IN_RANGE]!;
      for (let rest = ranges; rest !== 0; rest &= rest - 1) inRange[lowestBit(rest) * M + limit]!++;
      const first = facts[fact + FIRST]!;
      const end = facts[fact + END]!;
      if (first === end) continue;
      let reached = 0;
      for (let c = first; c < end; c++) reached |= bitsOf(overlaps[c]!);
      for (let a = 0; a < A; a++) {
        matchAt(candidates, first, end, reached, a);
        if (matchedBits !== 0) addEvent(a, limit, (ranges & (1 << a)) !== 0, scores[d]!);
      }
    }
    return {
      events,
      truths: counted,
      firstScore: order.length > 0 ? scores[order[0]!]! : 0,
      firstThreshold,
      numThresholds: thresholds.length,
      voided,
    };
  };
}
