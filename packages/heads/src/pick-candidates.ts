// Which predictions of one level of one image become candidates: cut to the best points, then threshold. Typed arrays only; the same cut
// on the device is in cut-level.ts.
import type { MmdetFlavour, TestOptions } from "./head-settings";
import { orderByScore } from "./order-by-score";

const { fround } = Math;
/**
 * Computes a score from a logit, as float32.
 *
 * @param x the logit
 * @returns a number in [0, 1]; NaN where the logit is, which a shader's sigmoid need not be
 */
export const sigmoid = (x: number) => fround(1 / (1 + Math.exp(-x)));

/** The predictions of one level for one image, a row a point or anchor. */
export interface LevelPredictions {
  /** `[N * C]` logits. */
  readonly classes: Float32Array;
  /** `[N]`: multiplies the scores after the threshold; default 1. */
  readonly factors?: Float32Array | undefined;
  /** `[N]`: the number of each row's point or anchor where rows have been chosen on the device; default all, in order. */
  readonly numbers?: Float32Array | undefined;
}

/** What decides which predictions become detections. */
export interface DenseDecodeSettings {
  readonly numClasses: number;
  readonly flavour: MmdetFlavour;
  readonly test: Required<TestOptions>;
}

/** Pairs of row and class. */
export interface Candidates {
  readonly rows: readonly number[];
  readonly classes: readonly number[];
  /** Class scores. */
  readonly scores: readonly number[];
}

// The logit below which no class score exceeds the threshold; a little lower, since scores are rounded.
function logitFloor(threshold: number): number {
  if (threshold < 0) return Number.NEGATIVE_INFINITY;
  return threshold >= 1 ? Number.POSITIVE_INFINITY : Math.log(threshold / (1 - threshold)) - 1e-3;
}

// Rows with one of the `limit` best values, in order; of equal values the lower row comes first.
function bestRows(values: Float32Array, limit: number): Uint32Array {
  const bound = values.slice().sort()[values.length - limit]!;
  const rows = new Uint32Array(limit);
  let ties = limit - values.reduce((n, v) => (v > bound ? n + 1 : n), 0);
  let at = 0;
  for (let row = 0; row < values.length; row++) {
    if (values[row]! > bound || (values[row] === bound && ties-- > 0)) rows[at++] = row;
  }
  return rows;
}

// max over classes of the score times the factor; -1 where it is NaN.
function bestScores({ classes, factors }: LevelPredictions, numClasses: number): Float32Array {
  const values = new Float32Array(classes.length / numClasses);
  for (let p = 0; p < values.length; p++) {
    let top = Number.NEGATIVE_INFINITY;
    for (let i = p * numClasses; i < (p + 1) * numClasses; i++) if (classes[i]! > top) top = classes[i]!;
    const value = sigmoid(top) * (factors?.[p] ?? 1);
    values[p] = Number.isNaN(value) ? -1 : value;
  }
  return values;
}

// Rows in the order of their numbers.
function byNumber(numbers: Float32Array): Uint32Array {
  const count = numbers.length;
  const keys = Float64Array.from(numbers, (number, row) => number * count + row).sort();
  return Uint32Array.from(keys, (key) => key % count);
}

/**
 * Picks the candidates of one level of one image.
 *
 * @param level the predictions
 * @param settings classes, threshold and limit
 * @returns pairs above the threshold, at most `nmsPre` rows of them ("mmdet-2.3") or `nmsPre` pairs ("mmdet-2.28"), in an order that
 *   decides between equal scores
 */
export function pickCandidates(level: LevelPredictions, settings: DenseDecodeSettings): Candidates {
  const { numClasses, test, flavour } = settings;
  const count = level.classes.length / numClasses;
  const cut = flavour === "mmdet-2.3" && count > test.nmsPre;
  const chosen = cut ? bestRows(bestScores(level, numClasses), test.nmsPre) : level.numbers && byNumber(level.numbers);
  const floor = logitFloor(test.scoreThreshold);
  const threshold = fround(test.scoreThreshold);
  const rows: number[] = [];
  const classes: number[] = [];
  const scores: number[] = [];
  for (let k = 0; k < (chosen?.length ?? count); k++) {
    const row = chosen ? chosen[k]! : k;
    for (let c = 0; c < numClasses; c++) {
      const logit = level.classes[row * numClasses + c]!;
      if (!(logit > floor)) continue;
      const score = sigmoid(logit);
      if (score > threshold) {
        rows.push(row);
        classes.push(c);
        scores.push(score);
      }
    }
  }
  if (flavour === "mmdet-2.3" || scores.length <= test.nmsPre) return { rows, classes, scores };
  const best = Array.from(orderByScore(scores).subarray(0, test.nmsPre));
  return {
    rows: best.map((k) => rows[k]!),
    classes: best.map((k) => classes[k]!),
    scores: best.map((k) => scores[k]!),
  };
}
