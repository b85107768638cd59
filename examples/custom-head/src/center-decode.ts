// From raw maps to boxes (Zhou et al. 2019, §3): the peaks of the heatmap are the objects, so that no NMS is needed. A peak is a cell
// that no neighbour exceeds. One asynchronous read for the batch.
import type { Detections, ImageSize } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { type CenterRaw, checkImages } from "./center-raw";

/** Which peaks become boxes. */
export interface CenterTestOptions {
  /** Lower peaks are dropped, in [0, 1]. */
  readonly scoreThreshold: number;
  /** Boxes kept for an image. */
  readonly maxPerImage: number;
}

/**
 * Keeps the scores of peaks, class by class.
 *
 * @param heat `[B, H, W, C]` logits
 * @returns `[B, H, W, C]`: the score in [0, 1] where no neighbour among 3 × 3 has a higher one, 0 elsewhere
 */
export function peakScores(heat: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => {
    const highest = tf.maxPool(heat, 3, 1, "same");
    return tf.mul(tf.sigmoid(heat), tf.cast(tf.equal(heat, highest), "float32"));
  });
}

/** Where one image's part of the maps lies in the numbers that were read, and how it becomes pixels. */
interface ImageMaps {
  /** `[H * W * C]`. */
  readonly scores: Float32Array;
  /** `[H * W * 4]`: width, height, x and y of each cell, in cells. */
  readonly boxes: Float32Array;
  /** Columns. */
  readonly width: number;
  readonly stride: number;
  readonly numClasses: number;
}

const clamp = (value: number, high: number) => Math.min(Math.max(value, 0), high);

function detectionsOf(
  { scores, boxes, width, stride, numClasses }: ImageMaps,
  size: ImageSize,
  { scoreThreshold, maxPerImage }: CenterTestOptions,
): Detections {
  const { scaleX = 1, scaleY = 1 } = size;
  // Equal scores keep the order of the cells: sorting is stable.
  const best = [...scores.keys()]
    .filter((i) => scores[i]! > scoreThreshold)
    .sort((a, b) => scores[b]! - scores[a]!)
    .slice(0, maxPerImage);
  const found = new Float32Array(4 * best.length);
  for (const [n, i] of best.entries()) {
    const cell = Math.floor(i / numClasses);
    const [w, h, dx, dy] = boxes.subarray(4 * cell, 4 * cell + 4) as unknown as [number, number, number, number];
    const [cx, cy] = [(cell % width) + dx, Math.floor(cell / width) + dy];
    const [halfW, halfH] = [Math.max(w, 0) / 2, Math.max(h, 0) / 2];
    found[4 * n] = clamp((cx - halfW) * stride, size.width) / scaleX;
    found[4 * n + 1] = clamp((cy - halfH) * stride, size.height) / scaleY;
    found[4 * n + 2] = clamp((cx + halfW) * stride, size.width) / scaleX;
    found[4 * n + 3] = clamp((cy + halfH) * stride, size.height) / scaleY;
  }
  return {
    boxes: found,
    scores: Float32Array.from(best, (i) => scores[i]!),
    labels: Int32Array.from(best, (i) => i % numClasses),
  };
}

/**
 * Turns raw maps into detections.
 *
 * @param raw the maps; they stay the caller's
 * @param sizes what part of the network's input each image fills, and its scale
 * @param options stride of the maps and which peaks count
 * @returns for each image the detections, best first; a prediction that is NaN gives none
 * @throws ShapeError when there is not one size an image
 */
export async function decodeCenters(
  raw: CenterRaw,
  sizes: readonly ImageSize[],
  options: CenterTestOptions & { readonly stride: number },
): Promise<Detections[]> {
  checkImages(raw, sizes.length, "image sizes");
  const [, height, width, numClasses] = raw.heat.shape;
  const joined = tf.tidy(() => tf.concat([peakScores(raw.heat), raw.size, raw.offset], 3)); // [B, H, W, C + 4]
  const data = await joined.data<"float32">().finally(() => joined.dispose());
  const cells = height * width;
  return sizes.map((size, image) => {
    const scores = new Float32Array(cells * numClasses);
    const boxes = new Float32Array(cells * 4);
    for (let cell = 0; cell < cells; cell++) {
      const at = (image * cells + cell) * (numClasses + 4);
      const box = data.subarray(at + numClasses, at + numClasses + 4);
      if (box.some(Number.isNaN)) continue;
      scores.set(data.subarray(at, at + numClasses), cell * numClasses);
      boxes.set(box, cell * 4);
    }
    return detectionsOf({ scores, boxes, width, stride: options.stride, numClasses }, size, options);
  });
}
