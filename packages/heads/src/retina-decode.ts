// From RetinaNet's raw maps to detections: shifts of anchors become boxes.
// The choice among candidates is in dense-decode.ts.
import type { Detections, ImageSize } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { baseAnchors, writeAnchor } from "./anchors";
import { decodeDeltas } from "./coders";
import { type BoxMaker, type CutPlace, decodeDense } from "./dense-decode";
import { anchorsPerCell, type RetinaSettings } from "./retina-options";
import { type RetinaRaw, retinaGeometry } from "./retina-raw";

/**
 * Turns raw maps into detections.
 *
 * @param raw what the head's `forward` returned; it stays the caller's
 * @param sizes what part of the network's input each image fills, and its scale
 * @param settings the head's settings
 * @param place where levels are cut to `nmsPre` anchors; default: where the backend is faster
 * @returns for each image the detections, best first; a prediction that is NaN gives none
 * @throws ShapeError when maps or sizes do not match
 */
export async function decodeRetina(
  raw: RetinaRaw,
  sizes: readonly ImageSize[],
  settings: RetinaSettings,
  place?: CutPlace,
): Promise<Detections[]> {
  const { strides, numClasses } = settings;
  const { batch, sizes: maps } = retinaGeometry(raw, strides.length, numClasses, anchorsPerCell(settings));
  const rows = (map: tf.Tensor4D, width: number) => tf.reshape(map, [batch, -1, width]) as tf.Tensor3D;
  const makeLevels = () =>
    raw.classes.map((classes, l) => ({ classes: rows(classes, numClasses), boxes: rows(raw.deltas[l]!, 4) }));
  const bases = strides.map((stride) => baseAnchors(stride, settings.anchors));
  const anchor = new Float32Array(4);
  const makeBox: BoxMaker = (l, number, deltas, out) => {
    writeAnchor(bases[l]!, number, strides[l]!, maps[l]!.width, anchor);
    out.set(decodeDeltas(anchor, deltas));
  };
  return decodeDense(makeLevels, makeBox, sizes, batch, settings, place);
}
