// From FCOS's raw maps to detections: one read of all maps, then typed arrays. Scores are class score times centerness.
// The choice among candidates is in dense-decode.ts (FCOS §3.2; mmdetection 2.3 and 2.28).
import { type Detections, type ImageSize, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { decodeImage, type LevelPredictions } from "./dense-decode";
import type { FcosSettings } from "./fcos-options";
import { type FcosRaw, geometryOf } from "./fcos-raw";
import { type MapReader, readMaps } from "./read-maps";

function predictionsOf(
  read: MapReader,
  level: number,
  image: number,
  { width, stride, scale }: { readonly width: number; readonly stride: number; readonly scale: number },
): LevelPredictions {
  const distances = read(1, level, image);
  const half = Math.floor(stride / 2);
  return {
    classes: read(0, level, image),
    factors: read(2, level, image),
    box: (p, out) => {
      const x = stride * (p % width) + half;
      const y = stride * Math.floor(p / width) + half;
      out[0] = x - distances[4 * p]! * scale;
      out[1] = y - distances[4 * p + 1]! * scale;
      out[2] = x + distances[4 * p + 2]! * scale;
      out[3] = y + distances[4 * p + 3]! * scale;
    },
  };
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
  const { strides, numClasses, test, normaliser: flavour } = settings;
  const { batch, sizes: maps } = geometryOf(raw, strides.length, numClasses);
  if (sizes.length !== batch) {
    throw new ShapeError(`Decoding needs the size of each of the ${batch} images, got ${sizes.length}.`);
  }
  const centerness = raw.centerness.map((map) => tf.sigmoid(map));
  const read = await readMaps([raw.classes, raw.distances, centerness]).finally(() => tf.dispose(centerness));
  return sizes.map((size, image) => {
    const levels = maps.map(({ width }, l) => {
      const stride = strides[l]!;
      return predictionsOf(read, l, image, { width, stride, scale: raw.unit === "stride" ? stride : 1 });
    });
    return decodeImage(levels, size, { numClasses, flavour, test });
  });
}
