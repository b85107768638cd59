// From RetinaNet's raw maps to detections: one read of all maps, then typed arrays.
// The choice among candidates is in dense-decode.ts (mmdetection 2.3 and 2.28).
import { type Detections, type ImageSize, ShapeError } from "@caddet/core";
import { levelAnchors } from "./anchors";
import { decodeDeltas } from "./coders";
import { decodeImage } from "./dense-decode";
import { readMaps } from "./read-maps";
import { anchorsPerCell, type RetinaSettings } from "./retina-options";
import { type RetinaRaw, retinaGeometry } from "./retina-raw";

/**
 * Turns raw maps into detections.
 *
 * @param raw what the head's `forward` returned; it stays the caller's
 * @param sizes what part of the network's input each image fills, and its scale
 * @param settings the head's settings
 * @returns for each image the detections, best first; a prediction that is NaN gives none
 * @throws ShapeError when maps or sizes do not match
 */
export async function decodeRetina(
  raw: RetinaRaw,
  sizes: readonly ImageSize[],
  settings: RetinaSettings,
): Promise<Detections[]> {
  const { strides, numClasses } = settings;
  const { batch, sizes: maps } = retinaGeometry(raw, strides.length, numClasses, anchorsPerCell(settings));
  if (sizes.length !== batch) {
    throw new ShapeError(`Decoding needs the size of each of the ${batch} images, got ${sizes.length}.`);
  }
  const read = await readMaps([raw.classes, raw.deltas]);
  const anchors = maps.map((size, l) => levelAnchors(size, strides[l]!, settings.anchors));
  return sizes.map((size, image) => {
    const levels = anchors.map((own, l) => {
      const deltas = read(1, l, image);
      return {
        classes: read(0, l, image),
        box: (i: number, out: Float32Array) => {
          out.set(decodeDeltas(own.subarray(4 * i, 4 * i + 4), deltas.subarray(4 * i, 4 * i + 4)));
        },
      };
    });
    return decodeImage(levels, size, settings);
  });
}
