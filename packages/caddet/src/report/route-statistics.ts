// Numbers behind the report's figures of routes: means of gates, how often nodes run, which images are easy and which are busy.
import { encodeScales } from "@caddet/budget";
import { type CocoDataset, groundTruthOf, indexByImage, scaleBoxes } from "@caddet/coco";
import { resizedSize } from "@caddet/core/base";
import type { TrainConfig } from "@caddet/trainer";
import type { RouteSpace } from "@caddet/viz";

/** Gates of images, row by row. */
export interface ImageGates {
  /** `[I * P]` in [0, 1]. */
  readonly gates: Float32Array;
  /** P. */
  readonly paths: number;
}

/** The gates of one image, `[P]`. */
export function gatesAt({ gates, paths }: ImageGates, image: number): Float32Array {
  return gates.subarray(image * paths, (image + 1) * paths);
}

/**
 * The mean gates of some images.
 *
 * @param all gates of all images
 * @param images their places, at least one
 * @returns `[P]`
 */
export function meanGates(all: ImageGates, images: readonly number[]): Float64Array {
  const mean = new Float64Array(all.paths);
  for (const image of images) {
    gatesAt(all, image).forEach((gate, p) => {
      mean[p]! += gate / images.length;
    });
  }
  return mean.map((value) => Math.min(1, value)); // sums of many ones end a little above
}

/**
 * The share of images in which each node runs: at least one of its paths is open.
 *
 * @param space nodes and paths
 * @param all gates of all images
 * @param images their places, at least one
 * @param threshold gates below are closed
 * @returns `[nodes]` in [0, 1]
 */
export function nodeUsage(
  { nodes, paths }: RouteSpace,
  all: ImageGates,
  images: readonly number[],
  threshold: number,
): Float64Array {
  const counts = new Float64Array(nodes.length);
  for (const image of images) {
    const own = gatesAt(all, image);
    const runs = new Uint8Array(nodes.length);
    paths.forEach(({ from }, p) => {
      if (own[p]! >= threshold) runs[from] = 1;
    });
    runs.forEach((flag, n) => {
      counts[n]! += flag;
    });
  }
  return counts.map((count) => count / images.length);
}

/** What is in an image. */
export interface ImageContent {
  readonly imageId: number;
  /** `[m]`: the scale intervals that have an object. */
  readonly encoding: Uint8Array;
  /** Objects, crowds left out. */
  readonly objects: number;
}

/**
 * Looks up what is in images, as the budget of a training sees it.
 *
 * @param dataset the truth
 * @param imageIds of the images, in their order
 * @param config intervals, the pixels that they are measured in, and the sizes of images
 * @returns one entry an image
 */
export function imageContents(
  dataset: CocoDataset,
  imageIds: readonly number[],
  { budget, data }: Pick<TrainConfig, "budget" | "data">,
): ImageContent[] {
  const { images } = dataset;
  const index = indexByImage(dataset);
  const rows = new Map(Array.from(images.ids, (id, row) => [id, row]));
  return imageIds.map((imageId) => {
    const row = rows.get(imageId)!;
    const { boxes, crowd, labels } = groundTruthOf(dataset, index, row);
    const size = resizedSize({ width: images.widths[row]!, height: images.heights[row]! }, data);
    const measured = budget.pixels === "input" ? scaleBoxes(boxes, size) : boxes;
    const encoding = encodeScales(measured, { intervals: budget.intervals, ...(crowd ? { crowd } : {}) });
    const objects = labels.reduce<number>((n, _, i) => n + (crowd?.[i] ? 0 : 1), 0);
    return { imageId, encoding, objects };
  });
}

/** Places of images in a list. */
export interface EasyAndBusy {
  /** The easiest first. */
  readonly easy: readonly number[];
  /** The busiest first. */
  readonly busy: readonly number[];
}

const intervalsOf = ({ encoding }: ImageContent) => encoding.reduce((a, b) => a + b, 0);

/**
 * Sorts images by how many scale intervals their objects occupy, then by their number of objects.
 *
 * @param contents one entry an image
 * @returns the lowest and the highest third; a single image is neither
 */
export function easyAndBusy(contents: readonly ImageContent[]): EasyAndBusy {
  const order = contents
    .map((content, place) => ({ place, intervals: intervalsOf(content), objects: content.objects }))
    .sort((a, b) => a.intervals - b.intervals || a.objects - b.objects || a.place - b.place)
    .map(({ place }) => place);
  const third = Math.min(Math.ceil(order.length / 3), Math.floor(order.length / 2));
  return { easy: order.slice(0, third), busy: order.slice(order.length - third).reverse() };
}
