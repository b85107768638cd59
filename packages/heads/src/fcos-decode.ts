// From FCOS's raw maps to detections: one read of all maps, then typed arrays. Scores are class score times centerness.
import { type Detections, type ImageSize, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { CandidateList } from "./candidates";
import type { FcosSettings } from "./fcos-options";
import { type FcosRaw, geometryOf } from "./fcos-raw";
import { orderByScore } from "./nms";

const { fround } = Math;
const sigmoid = (x: number) => fround(1 / (1 + Math.exp(-x)));

/** One level of one image, as views of what was read. */
interface LevelView {
  readonly width: number;
  readonly cells: number;
  readonly stride: number;
  /** Factor from the raw unit to pixels. */
  readonly scale: number;
  /** `[H * W * C]` logits. */
  readonly classes: Float32Array;
  /** `[H * W * 4]`. */
  readonly distances: Float32Array;
  /** `[H * W]` probabilities. */
  readonly centerness: Float32Array;
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

// max over classes of class score times centerness; -1 where it is NaN.
function pointValues({ cells, classes, centerness }: LevelView, numClasses: number): Float32Array {
  const values = new Float32Array(cells);
  for (let p = 0; p < cells; p++) {
    let top = Number.NEGATIVE_INFINITY;
    for (let i = p * numClasses; i < (p + 1) * numClasses; i++) if (classes[i]! > top) top = classes[i]!;
    const value = sigmoid(top) * centerness[p]!;
    values[p] = Number.isNaN(value) ? -1 : value;
  }
  return values;
}

// Pairs of point and class above the threshold, as indices into the class map and their class scores.
function pairsAbove(
  { cells, classes }: LevelView,
  { numClasses, test, normaliser }: FcosSettings,
  chosen: Uint8Array | undefined,
): { readonly index: readonly number[]; readonly score: readonly number[] } {
  const floor = logitFloor(test.scoreThreshold);
  const threshold = fround(test.scoreThreshold);
  const index: number[] = [];
  const score: number[] = [];
  for (let p = 0; p < cells; p++) {
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
  if (normaliser === "mmdet-2.3" || index.length <= test.nmsPre) return { index, score };
  const best = orderByScore(score).slice(0, test.nmsPre);
  return { index: best.map((k) => index[k]!), score: best.map((k) => score[k]!) };
}

const clamp = (v: number, high: number) => Math.min(Math.max(fround(v), 0), high);

function addLevel(list: CandidateList, view: LevelView, size: ImageSize, settings: FcosSettings): void {
  const { numClasses, test, normaliser } = settings;
  const { width, stride, scale, distances, centerness } = view;
  const { scaleX = 1, scaleY = 1 } = size;
  const half = Math.floor(stride / 2);
  const cut = normaliser === "mmdet-2.3" && view.cells > test.nmsPre;
  const chosen = cut ? bestPoints(pointValues(view, numClasses), test.nmsPre) : undefined;
  const { index, score } = pairsAbove(view, settings, chosen);
  const box = new Float32Array(4);
  index.forEach((i, k) => {
    const p = Math.floor(i / numClasses);
    const x = stride * (p % width) + half;
    const y = stride * Math.floor(p / width) + half;
    box[0] = clamp(x - distances[4 * p]! * scale, size.width) / scaleX;
    box[1] = clamp(y - distances[4 * p + 1]! * scale, size.height) / scaleY;
    box[2] = clamp(x + distances[4 * p + 2]! * scale, size.width) / scaleX;
    box[3] = clamp(y + distances[4 * p + 3]! * scale, size.height) / scaleY;
    const value = fround(score[k]! * centerness[p]!);
    if (Number.isNaN(value) || box.some(Number.isNaN)) return;
    list.add(box, 0, value, i % numClasses);
  });
}

/**
 * Turns raw maps into detections.
 *
 * @param raw what the head's `forward` returned; it stays the caller's
 * @param sizes what part of the network's input each image fills, and its scale
 * @param settings the head's settings
 * @returns for each image the detections, best first; a prediction that is NaN gives none
 * @throws ShapeError when maps or sizes do not match
 */
export async function decodeFcos(
  raw: FcosRaw,
  sizes: readonly ImageSize[],
  settings: FcosSettings,
): Promise<Detections[]> {
  const { strides, numClasses, test } = settings;
  const { batch, sizes: maps } = geometryOf(raw, strides.length, numClasses);
  if (sizes.length !== batch) {
    throw new ShapeError(`Decoding needs the size of each of the ${batch} images, got ${sizes.length}.`);
  }
  const joined = tf.tidy(() =>
    tf.concat1d([
      ...raw.classes.map((map) => tf.reshape(map, [-1]) as tf.Tensor1D),
      ...raw.distances.map((map) => tf.reshape(map, [-1]) as tf.Tensor1D),
      ...raw.centerness.map((map) => tf.reshape(tf.sigmoid(map), [-1]) as tf.Tensor1D),
    ]),
  );
  const data = await joined.data<"float32">().finally(() => joined.dispose());

  const views: LevelView[][] = Array.from({ length: batch }, () => []);
  const cells = maps.map(({ height, width }) => height * width);
  const total = batch * cells.reduce((a, b) => a + b, 0);
  let before = 0;
  maps.forEach(({ width }, l) => {
    const stride = strides[l]!;
    const n = cells[l]!;
    const view = (start: number, channels: number, image: number) => {
      const at = start + (batch * before + image * n) * channels;
      return data.subarray(at, at + n * channels);
    };
    for (let image = 0; image < batch; image++) {
      views[image]!.push({
        width,
        cells: n,
        stride,
        scale: raw.unit === "stride" ? stride : 1,
        classes: view(0, numClasses, image),
        distances: view(total * numClasses, 4, image),
        centerness: view(total * (numClasses + 4), 1, image),
      });
    }
    before += n;
  });
  return views.map((levels, image) => {
    const list = new CandidateList();
    for (const view of levels) addLevel(list, view, sizes[image]!, settings);
    return list.suppress(test.nmsIou, test.maxPerImage);
  });
}
