// From the scores and boxes of dense predictions to detections: cut each level, threshold, clamp, rescale, suppress. Typed arrays only;
// what a box is made of is the head's business.
import type { Detections, ImageSize } from "@caddet/core";
import { CandidateList } from "./candidates";
import type { MmdetFlavour, TestOptions } from "./head-settings";
import { orderByScore } from "./nms";

const { fround } = Math;
const sigmoid = (x: number) => fround(1 / (1 + Math.exp(-x)));

/** The predictions of one level for one image. */
export interface LevelPredictions {
  /** `[N * C]` logits, N points or anchors. */
  readonly classes: Float32Array;
  /** `[N]`: multiplies the scores after the threshold; default 1. */
  readonly factors?: Float32Array;
  /** Writes box i, `x1, y1, x2, y2` in pixels of the network's input, to `out`. */
  box(i: number, out: Float32Array): void;
}

/** What decides which predictions become detections. */
export interface DenseDecodeSettings {
  readonly numClasses: number;
  readonly flavour: MmdetFlavour;
  readonly test: Required<TestOptions>;
}

// The logit below which no class score exceeds the threshold; a little lower, since scores are rounded.
function logitFloor(threshold: number): number {
  if (threshold < 0) return Number.NEGATIVE_INFINITY;
  return threshold >= 1 ? Number.POSITIVE_INFINITY : Math.log(threshold / (1 - threshold)) - 1e-3;
}

// Which points have one of the `limit` best values; of equal values the lower index comes first.
function bestPoints(values: Float32Array, limit: number): Uint8Array {
  const chosen = new Uint8Array(values.length);
  if (values.length <= limit) return chosen.fill(1);
  const bound = values.slice().sort()[values.length - limit]!;
  let left = limit;
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > bound) {
      chosen[i] = 1;
      left--;
    }
  }
  for (let i = 0; i < values.length && left > 0; i++) {
    if (values[i] === bound) {
      chosen[i] = 1;
      left--;
    }
  }
  return chosen;
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

// Pairs of point and class above the threshold, as indices into the class logits and their class scores.
function pairsAbove(
  { classes }: LevelPredictions,
  { numClasses, test, flavour }: DenseDecodeSettings,
  chosen: Uint8Array | undefined,
): { readonly index: readonly number[]; readonly score: readonly number[] } {
  const floor = logitFloor(test.scoreThreshold);
  const threshold = fround(test.scoreThreshold);
  const index: number[] = [];
  const score: number[] = [];
  for (let p = 0; p < classes.length / numClasses; p++) {
    if (chosen && !chosen[p]) continue;
    for (let i = p * numClasses; i < (p + 1) * numClasses; i++) {
      if (!(classes[i]! > floor)) continue;
      const s = sigmoid(classes[i]!);
      if (s > threshold) {
        index.push(i);
        score.push(s);
      }
    }
  }
  if (flavour === "mmdet-2.3" || index.length <= test.nmsPre) return { index, score };
  const best = orderByScore(score).slice(0, test.nmsPre);
  return { index: best.map((k) => index[k]!), score: best.map((k) => score[k]!) };
}

const clamp = (v: number, high: number) => Math.min(Math.max(v, 0), high);

function addLevel(list: CandidateList, level: LevelPredictions, size: ImageSize, settings: DenseDecodeSettings): void {
  const { numClasses, test, flavour } = settings;
  const { scaleX = 1, scaleY = 1 } = size;
  const cut = flavour === "mmdet-2.3" && level.classes.length / numClasses > test.nmsPre;
  const chosen = cut ? bestPoints(bestScores(level, numClasses), test.nmsPre) : undefined;
  const { index, score } = pairsAbove(level, settings, chosen);
  const box = new Float32Array(4);
  index.forEach((i, k) => {
    const p = Math.floor(i / numClasses);
    level.box(p, box);
    box[0] = clamp(box[0]!, size.width) / scaleX;
    box[1] = clamp(box[1]!, size.height) / scaleY;
    box[2] = clamp(box[2]!, size.width) / scaleX;
    box[3] = clamp(box[3]!, size.height) / scaleY;
    const value = fround(score[k]! * (level.factors?.[p] ?? 1));
    if (Number.isNaN(value) || box.some(Number.isNaN)) return;
    list.add(box, 0, value, i % numClasses);
  });
}

/**
 * Picks the detections of one image.
 *
 * @param levels the predictions of each level
 * @param size what part of the network's input the image fills, and its scale
 * @param settings classes, thresholds and limits
 * @returns the detections, best first; a prediction that is NaN gives none
 */
export function decodeImage(
  levels: readonly LevelPredictions[],
  size: ImageSize,
  settings: DenseDecodeSettings,
): Detections {
  const list = new CandidateList();
  for (const level of levels) addLevel(list, level, size, settings);
  return list.suppress(settings.test.nmsIou, settings.test.maxPerImage);
}
