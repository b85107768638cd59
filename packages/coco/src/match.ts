// The greedy matching of one cell for all IoU thresholds (pycocotools' computeIoU and evaluateImg). It works on rows of
// the cells and on scratch memory that is made once an evaluation.
import type { EvaluationCells } from "./evaluation-cells";
import type { ResolvedParams } from "./evaluation-params";

/** One cell's overlaps and matches; overwritten by the next cell. */
export interface Matcher {
  /** Detections and annotations of the current cell. */
  numDetections: number;
  numTruths: number;
  /** `[D * G]`, annotations in the file's order. */
  readonly overlaps: Float64Array;
  /** `[G]`: annotations of the cell, those that count first, then the ignored ones. */
  readonly order: Int32Array;
  /** `[G]`, by `order`. */
  readonly truthIgnored: Uint8Array;
  /** `[T * D]`: place in `order` + 1, 0 where there is none. */
  readonly detectionMatch: Int32Array;
  /** `[T * G]`: place of the detection + 1. */
  readonly truthMatch: Int32Array;
  /** Loads a cell: its overlaps. */
  load(cell: number): void;
  /** Matches the loaded cell for one range of areas. */
  match(areaRange: readonly [number, number]): void;
}

function largestCell(start: Int32Array): number {
  let most = 0;
  for (let c = 0; c + 1 < start.length; c++) most = Math.max(most, start[c + 1]! - start[c]!);
  return most;
}

/** Makes the matcher of an evaluation. */
export function createMatcher({ truths, detections }: EvaluationCells, { iouThrs }: ResolvedParams): Matcher {
  const mostTruths = largestCell(truths.start);
  const mostDetections = largestCell(detections.start);
  const overlaps = new Float64Array(mostTruths * mostDetections);
  const bestOverlap = new Float64Array(mostDetections);
  const order = new Int32Array(mostTruths);
  const truthIgnored = new Uint8Array(mostTruths);
  const detectionMatch = new Int32Array(iouThrs.length * mostDetections);
  const truthMatch = new Int32Array(iouThrs.length * mostTruths);
  let firstTruth = 0;

  function load(cell: number) {
    firstTruth = truths.start[cell]!;
    const firstDetection = detections.start[cell]!;
    matcher.numTruths = truths.start[cell + 1]! - firstTruth;
    matcher.numDetections = detections.start[cell + 1]! - firstDetection;
    const { numTruths, numDetections } = matcher;
    for (let d = 0; d < numDetections; d++) {
      const at = (firstDetection + d) * 4;
      const dx = detections.boxes[at]!;
      const dy = detections.boxes[at + 1]!;
      const dw = detections.boxes[at + 2]!;
      const dh = detections.boxes[at + 3]!;
      let best = 0;
      for (let g = 0; g < numTruths; g++) {
        const gx = truths.boxes[(firstTruth + g) * 4]!;
        const gy = truths.boxes[(firstTruth + g) * 4 + 1]!;
        const gw = truths.boxes[(firstTruth + g) * 4 + 2]!;
        const gh = truths.boxes[(firstTruth + g) * 4 + 3]!;
        const width = Math.min(dw + dx, gw + gx) - Math.max(dx, gx);
        const height = Math.min(dh + dy, gh + gy) - Math.max(dy, gy);
        let overlap = 0;
        if (width > 0 && height > 0) {
          const shared = width * height;
          overlap = shared / (truths.iscrowd[firstTruth + g] ? dw * dh : dw * dh + gw * gh - shared);
        }
        overlaps[d * numTruths + g] = overlap;
        if (overlap > best) best = overlap;
      }
      bestOverlap[d] = best;
    }
  }

  function orderTruths([low, high]: readonly [number, number]) {
    const { numTruths } = matcher;
    let counted = 0;
    for (let pass = 0; pass < 2; pass++) {
      for (let g = 0; g < numTruths; g++) {
        const area = truths.area[firstTruth + g]!;
        const ignored = truths.iscrowd[firstTruth + g] !== 0 || area < low || area > high ? 1 : 0;
        if (ignored !== pass) continue;
        order[counted] = g;
        truthIgnored[counted++] = ignored;
      }
    }
  }

  // The place in `order` that detection d takes at this threshold, or -1. Of equal overlaps the last one wins.
  function choose(d: number, threshold: number, taken: number): number {
    const { numTruths } = matcher;
    let best = threshold;
    let chosen = -1;
    for (let g = 0; g < numTruths; g++) {
      const truth = order[g]!;
      if (truthMatch[taken + g]! > 0 && truths.iscrowd[firstTruth + truth] === 0) continue;
      if (chosen >= 0 && truthIgnored[chosen] === 0 && truthIgnored[g] === 1) break;
      const overlap = overlaps[d * numTruths + truth]!;
      if (overlap < best) continue;
      best = overlap;
      chosen = g;
    }
    return chosen;
  }

  function match(areaRange: readonly [number, number]) {
    const { numTruths, numDetections } = matcher;
    orderTruths(areaRange);
    detectionMatch.fill(0, 0, iouThrs.length * numDetections);
    truthMatch.fill(0, 0, iouThrs.length * numTruths);
    for (let t = 0; t < iouThrs.length; t++) {
      const threshold = Math.min(iouThrs[t]!, 1 - 1e-10);
      for (let d = 0; d < numDetections; d++) {
        if (bestOverlap[d]! < threshold) continue;
        const chosen = choose(d, threshold, t * numTruths);
        if (chosen < 0) continue;
        detectionMatch[t * numDetections + d] = chosen + 1;
        truthMatch[t * numTruths + chosen] = d + 1;
      }
    }
  }

  const matcher: Matcher = {
    numDetections: 0,
    numTruths: 0,
    overlaps,
    order,
    truthIgnored,
    detectionMatch,
    truthMatch,
    load,
    match,
  };
  return matcher;
}
