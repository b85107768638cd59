// From the maps of dense predictions to detections: cut each level, read once, threshold, clamp, rescale, suppress.
// What a box is made of is the head's business.
import { type Detections, type ImageSize, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { CandidateList } from "./candidates";
import { cutLevel, type LevelTensors } from "./cut-level";
import { type DenseDecodeSettings, pickCandidates } from "./pick-candidates";
import { packLevels, type ReadLevel } from "./read-levels";

const { fround } = Math;

/**
 * Makes a box.
 *
 * @param level number of the level
 * @param number of the point or anchor in it
 * @param values `[4]`: what the head predicted for it
 * @param out `[4]`: takes `x1, y1, x2, y2` in pixels of the network's input
 */
export type BoxMaker = (level: number, number: number, values: Float32Array, out: Float32Array) => void;

/** Where levels are cut to `nmsPre` points: before or after the read. */
export type CutPlace = "device" | "host";

// Backends whose levels are cut after the read: cpu's tensors are in reach already, and its top-k is slower than ours; webgl's reads its
// input synchronously unless rows are very long.
const CUT_ON_HOST: readonly string[] = ["cpu", "webgl"];

/**
 * Says where a backend's levels are cut: on the device, so that at most `nmsPre` points a level are read, unless that is slower there or
 * there is no kernel for it.
 *
 * @param backend name of the backend, default the current one
 * @returns the place
 */
export function cutPlaceOf(backend = tf.getBackend()): CutPlace {
  return tf.getKernel("TopK", backend) && !CUT_ON_HOST.includes(backend) ? "device" : "host";
}

const clamp = (v: number, high: number) => Math.min(Math.max(v, 0), high);

function decodeImage(
  levels: readonly ReadLevel[],
  { height, width, scaleX = 1, scaleY = 1 }: ImageSize,
  makeBox: BoxMaker,
  settings: DenseDecodeSettings,
): Detections {
  const list = new CandidateList();
  const box = new Float32Array(4);
  levels.forEach((level, l) => {
    const { rows, classes, scores } = pickCandidates(level, settings);
    rows.forEach((row, k) => {
      makeBox(l, level.numbers ? level.numbers[row]! : row, level.boxes.subarray(4 * row, 4 * row + 4), box);
      box[0] = clamp(box[0]!, width) / scaleX;
      box[1] = clamp(box[1]!, height) / scaleY;
      box[2] = clamp(box[2]!, width) / scaleX;
      box[3] = clamp(box[3]!, height) / scaleY;
      const score = fround(scores[k]! * (level.factors?.[row] ?? 1));
      if (!Number.isNaN(score) && !box.some(Number.isNaN)) list.add(box, 0, score, classes[k]!);
    });
  });
  return list.suppress(settings.test, settings.test.maxPerImage);
}

/**
 * Picks the detections of a batch, with one asynchronous read.
 *
 * @param makeLevels gives the predictions of each level; what it makes is released
 * @param makeBox makes a box of what was predicted for it
 * @param sizes what part of the network's input each image fills, and its scale
 * @param batch how many images the maps have
 * @param settings classes, thresholds and limits
 * @param place where levels are cut
 * @returns for each image the detections, best first; a prediction that is NaN gives none
 * @throws ShapeError when there are not as many sizes as images
 */
export async function decodeDense(
  makeLevels: () => readonly LevelTensors[],
  makeBox: BoxMaker,
  sizes: readonly ImageSize[],
  batch: number,
  settings: DenseDecodeSettings,
  place: CutPlace = cutPlaceOf(),
): Promise<Detections[]> {
  if (sizes.length !== batch) {
    throw new ShapeError(`Decoding needs the size of each of the ${batch} images, got ${sizes.length}.`);
  }
  const { test, flavour } = settings;
  const { packed, unpack } = packLevels(() =>
    makeLevels().map((level) => (place === "device" ? cutLevel(level, test.nmsPre, flavour) : level)),
  );
  const data = await packed.data<"float32">().finally(() => packed.dispose());
  return sizes.map((size, image) => decodeImage(unpack(data, image), size, makeBox, settings));
}
