// Which images make up which batch of an epoch: a pure function of the images' shapes, the seed and the epoch, so
// that a run can go on at any batch. Nothing is read here.
import { createRandom, type Random, restoreRandom } from "@caddet/core/base";
import type { ImageTable } from "../dataset/dataset";

/** What decides the order. */
export interface EpochPlanOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Whether a batch holds only wide (w > h) or only other images. */
  readonly groupByAspect: boolean;
  readonly dropLast: boolean;
  readonly rank: number;
  readonly worldSize: number;
  /** Probability of mirroring an image, 0..1. */
  readonly flip: number;
}

/** One epoch of one process. */
export interface EpochPlan {
  /** All images of the epoch, over all processes: rows of the image table. */
  readonly order: Int32Array;
  /** `[I]` by row: 1 where the image is mirrored in this epoch. */
  readonly flipped: Uint8Array;
  /** This process' batches: rows of the image table. */
  readonly batches: readonly Int32Array[];
}

/** Whether an image lies wide. */
export function isWide({ widths, heights }: Pick<ImageTable, "widths" | "heights">, row: number): boolean {
  return widths[row]! > heights[row]!;
}

// Images queue up by shape; a batch leaves as soon as its queue is full, what remains leaves at the end.
function fillBatches(order: Int32Array, queueOf: (row: number) => 0 | 1, batchSize: number, dropLast: boolean) {
  const batches: Int32Array[] = [];
  const queues: [number[], number[]] = [[], []];
  for (const row of order) {
    const queue = queues[queueOf(row)];
    if (queue.push(row) === batchSize) batches.push(Int32Array.from(queue.splice(0)));
  }
  if (!dropLast) for (const queue of queues) if (queue.length > 0) batches.push(Int32Array.from(queue));
  return batches;
}

/**
 * Plans one epoch.
 *
 * With `shuffle`, every process gets the same number of batches: the first ones are repeated, or with `dropLast` the
 * last ones left out. Without it no image comes twice, and numbers may differ by one.
 *
 * @param images the data set's images
 * @param options what decides the order
 * @param epoch from 0
 * @returns the order, mirrored images and this process' batches; their number does not depend on the epoch
 */
export function planEpoch(images: ImageTable, options: EpochPlanOptions, epoch: number): EpochPlan {
  const { batchSize, seed, shuffle, groupByAspect, dropLast, rank, worldSize, flip } = options;
  const random = createRandom(seed, epoch);
  const rows = Array.from(images.ids, (_, row) => row);
  const order = Int32Array.from(shuffle ? random.shuffle(rows) : rows);
  const flipped = Uint8Array.from(rows, () => (random.next() < flip ? 1 : 0));
  const all = fillBatches(order, (row) => (groupByAspect && isWide(images, row) ? 1 : 0), batchSize, dropLast);
  if (!shuffle) return { order, flipped, batches: all.filter((_, b) => b % worldSize === rank) };
  const each = dropLast ? Math.floor(all.length / worldSize) : Math.ceil(all.length / worldSize);
  const batches = Array.from({ length: each }, (_, b) => all[(b * worldSize + rank) % all.length]!);
  return { order, flipped, batches };
}

/**
 * The generator of what is drawn for one image in one epoch, whatever batch it is in and whatever came before it.
 *
 * @param seed the loader's
 * @param epoch from 0
 * @param imageId COCO's id of the image
 */
export function imageRandom(seed: number, epoch: number, imageId: number): Random {
  // A stream has 32 bits, too few for every image of every epoch; the four words of a state are mixed with the id one
  // by one.
  const high = Math.floor(imageId / 2 ** 32);
  const words = createRandom(seed, epoch).state();
  const mix = (at: 0 | 1 | 2 | 3) => createRandom(words[at] ^ (imageId % 2 ** 32), high).state()[at];
  return restoreRandom([mix(0), mix(1), mix(2), mix(3) | 1]);
}
