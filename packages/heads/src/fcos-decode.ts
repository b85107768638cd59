// From FCOS's raw maps to detections. Scores are class score times centerness (FCOS §3.2).
// The choice among candidates is in dense-decode.ts.
import type { Detections, ImageSize } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { type BoxMaker, type CutPlace, decodeDense } from "./dense-decode";
import type { FcosSettings } from "./fcos-options";
import { type FcosRaw, geometryOf } from "./fcos-raw";

/**
 * Turns raw maps into detections.
 *
 * @param raw what the head's `forward` returned; it stays the caller's
 * @param sizes what part of the network's input each image fills, and its scale
 * @param settings the head's settings
 * @param place where levels are cut to `nmsPre` points; default: where the backend is faster
 * @returns for each image the detections, best first; a prediction that is NaN gives none
 * @throws ShapeError when maps or sizes do not match
 */
export async function decodeFcos(
  raw: FcosRaw,
  sizes: readonly ImageSize[],
  settings: FcosSettings,
  place?: CutPlace,
): Promise<Detections[]> {
  const { strides, numClasses, test, normaliser: flavour } = settings;
  const { batch, sizes: maps } = geometryOf(raw, strides.length, numClasses);
  const rows = (map: tf.Tensor4D, width: number) => tf.reshape(map, [batch, -1, width]) as tf.Tensor3D;
  const makeLevels = () =>
    raw.classes.map((classes, l) => ({
      classes: rows(classes, numClasses),
      boxes: rows(raw.distances[l]!, 4),
      factorLogits: rows(raw.centerness[l]!, 1),
    }));
  const makeBox: BoxMaker = (l, number, distances, out) => {
    const stride = strides[l]!;
    const { width } = maps[l]!;
    const half = Math.floor(stride / 2);
    const x = stride * (number % width) + half;
    const y = stride * Math.floor(number / width) + half;
    const scale = raw.unit === "stride" ? stride : 1;
    out[0] = x - distances[0]! * scale;
    out[1] = y - distances[1]! * scale;
    out[2] = x + distances[2]! * scale;
    out[3] = y + distances[3]! * scale;
  };
  return decodeDense(makeLevels, makeBox, sizes, batch, { numClasses, flavour, test }, place);
}
