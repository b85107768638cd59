// Batches of images and truths, decoded ahead of the consumer on libuv's threads. The order is planned in epoch-plan.ts;
// resize, flip and padding follow mmdetection 2.1. Needs Node; knows nothing of tensors.
import {
  ConfigError,
  DatasetError,
  type GroundTruth,
  type ImageSize,
  normalisationTable,
  paddedSize,
  type ResizedSize,
  type Size,
  writePixels,
} from "@caddet/core/base";
import { groundTruthOf, indexByImage } from "./dataset";
import { type EpochPlan, isWide, planEpoch } from "./epoch-plan";
import type { ImageDataset } from "./files";
import {
  type DecodedImage,
  decodeImage,
  type ImageFault,
  ImageFileError,
  prepareSharp,
  readImageInside,
} from "./image-file";
import { type LoaderOptions, resolveLoaderOptions } from "./loader-options";
import { prefetched } from "./prefetch";
import { clipBoxes, flipBoxes, scaleBoxes } from "./transforms";

/** Some images with their truths. Who receives it owns it. */
export interface Batch {
  /** `[B * H * W * 3]`, normalised RGB, zeros at the right and the bottom. */
  readonly images: Float32Array;
  /** `[B, H, W, 3]` */
  readonly shape: [number, number, number, 3];
  /** `[B]`: boxes in pixels of the network's input, within the image. */
  readonly truths: readonly GroundTruth[];
  /** `[B]`: the part that each image fills, and its scales. */
  readonly sizes: readonly ImageSize[];
  /** `[B]`: the images' own sizes, pixels. */
  readonly sourceSizes: readonly Size[];
  /** `[B]` */
  readonly imageIds: readonly number[];
  /** `[B]`: whether each image, and its boxes with it, is mirrored. */
  readonly flipped: readonly boolean[];
}

/** A source of batches. */
export interface Loader {
  /** This process' batches; the same for each epoch. */
  readonly batchesPerEpoch: number;
  /**
   * One epoch's batches.
   *
   * @param epoch from 0
   * @param options the first batch, default 0: those before it are not decoded
   */
  epoch(epoch: number, options?: { readonly startBatch?: number }): AsyncGenerator<Batch, void, undefined>;
  /** Images left out so far, by reason. */
  skipped(): Readonly<Partial<Record<ImageFault, number>>>;
  /** Ends the epochs that are under way; their iterators finish early. */
  dispose(): void;
}

// Boxes that clipping leaves without area are no objects of this image.
function transformTruth(truth: GroundTruth, size: ResizedSize, flipped: boolean): GroundTruth {
  const scaled = scaleBoxes(truth.boxes, size);
  const boxes = clipBoxes(flipped ? flipBoxes(scaled, size.width) : scaled, size);
  const kept = Int32Array.from(truth.labels.keys()).filter(
    (n) => boxes[n * 4 + 2]! > boxes[n * 4]! && boxes[n * 4 + 3]! > boxes[n * 4 + 1]!,
  );
  const keptBoxes = new Float32Array(kept.length * 4);
  kept.forEach((n, to) => {
    keptBoxes.set(boxes.subarray(n * 4, n * 4 + 4), to * 4);
  });
  return {
    boxes: keptBoxes,
    labels: kept.map((n) => truth.labels[n]!),
    crowd: Uint8Array.from(kept, (n) => truth.crowd[n]!),
  };
}

interface BatchItem extends DecodedImage {
  readonly row: number;
  readonly flipped: boolean;
}

/**
 * Makes a loader.
 *
 * Turns sharp's cache off and its threads to one an image, for the process: many images are decoded side by side instead.
 *
 * @param dataset what `loadDataset` returned, filtered for training or not
 * @param options batch size, image size (pixels), order, prefetching and what bad images do
 * @returns a loader; equal seed and epoch give equal batches
 * @throws ConfigError when an option is out of range; while iterating, DatasetError when no image can be read, and with
 *   `badImages: "error"` ImageFileError at the first one that cannot
 * @example for await (const batch of createLoader(dataset, { batchSize: 2, size }).epoch(0)) train(batch)
 */
export function createLoader(dataset: ImageDataset, options: LoaderOptions): Loader {
  const resolved = resolveLoaderOptions(options);
  const { size: target, padTo, prefetch, badImages, groupByAspect, onSkip } = resolved;
  const { images, imageFolder } = dataset;
  if (images.ids.length === 0)
    throw new DatasetError(`${dataset.file}: has no images to load.`, { file: dataset.file });
  const table = normalisationTable(resolved.normalise);
  const index = indexByImage(dataset);
  const faults = new Map<number, ImageFault>();
  const disposal = new AbortController();
  prepareSharp();

  async function decodeRow(row: number): Promise<DecodedImage> {
    const file = images.fileNames[row]!;
    const expected = { width: images.widths[row]!, height: images.heights[row]! };
    return decodeImage(await readImageInside(imageFolder, file), { file, target, expected });
  }

  // The image, or undefined where its file is bad and that may be.
  async function tryRow(row: number): Promise<DecodedImage | undefined> {
    if (faults.has(row)) return undefined;
    try {
      return await decodeRow(row);
    } catch (error) {
      if (badImages === "error" || !(error instanceof ImageFileError)) throw error;
      if (!faults.has(row)) {
        faults.set(row, error.reason);
        const { reason, message } = error;
        onSkip({ file: images.fileNames[row]!, imageId: images.ids[row]!, reason, message });
      }
      return undefined;
    }
  }

  // What may stand in for a row: the images that follow it in the epoch, those that lie alike first.
  function* substitutes(row: number, order: Int32Array): Generator<number> {
    const at = order.indexOf(row);
    const following = Array.from({ length: order.length - 1 }, (_, n) => order[(at + 1 + n) % order.length]!);
    const alike = (other: number) => !groupByAspect || isWide(images, other) === isWide(images, row);
    for (const other of following) if (alike(other)) yield other;
    for (const other of following) if (!alike(other)) yield other;
  }

  async function loadItem(row: number, { order, flipped }: EpochPlan, signal: AbortSignal) {
    const first = await tryRow(row);
    if (first) return { ...first, row, flipped: flipped[row] === 1 };
    if (badImages !== "refill") return undefined;
    for (const other of substitutes(row, order)) {
      if (signal.aborted) return undefined;
      const found = await tryRow(other);
      if (found) return { ...found, row: other, flipped: flipped[other] === 1 };
    }
    throw new DatasetError(`${dataset.file}: none of the images in ${imageFolder} can be read. Check the files.`, {
      file: dataset.file,
      imageFolder,
    });
  }

  function assemble(items: readonly BatchItem[]): Batch {
    const padded = items.map(({ size }) => paddedSize(size, padTo));
    const height = Math.max(...padded.map((p) => p.height));
    const width = Math.max(...padded.map((p) => p.width));
    const values = new Float32Array(items.length * height * width * 3);
    items.forEach(({ rgb, size, flipped }, b) => {
      writePixels(rgb, size, table, values, { offset: b * height * width * 3, stride: width, flipped });
    });
    return {
      images: values,
      shape: [items.length, height, width, 3],
      truths: items.map(({ row, size, flipped }) => transformTruth(groundTruthOf(dataset, index, row), size, flipped)),
      sizes: items.map(({ size }) => size),
      sourceSizes: items.map(({ source }) => source),
      imageIds: items.map(({ row }) => images.ids[row]!),
      flipped: items.map(({ flipped }) => flipped),
    };
  }

  return {
    batchesPerEpoch: planEpoch(images, resolved, 0).batches.length,
    async *epoch(epoch, { startBatch = 0 } = {}) {
      if (disposal.signal.aborted) throw new ConfigError("The loader was disposed. Make a new one.");
      if (!Number.isSafeInteger(epoch) || epoch < 0 || !Number.isSafeInteger(startBatch) || startBatch < 0) {
        throw new ConfigError(`Epoch and startBatch are integers from 0, got ${epoch} and ${startBatch}.`);
      }
      const plan = planEpoch(images, resolved, epoch);
      const loadBatch = async (rows: Int32Array, signal: AbortSignal) => {
        const loaded = await Promise.all(
          Array.from(rows, (row) => (signal.aborted ? undefined : loadItem(row, plan, signal))),
        );
        const items = loaded.filter((item) => item !== undefined);
        return items.length === 0 || signal.aborted ? undefined : assemble(items);
      };
      yield* prefetched(plan.batches.slice(startBatch), loadBatch, { ahead: prefetch, signal: disposal.signal });
    },
    skipped() {
      const counts: Partial<Record<ImageFault, number>> = {};
      for (const reason of faults.values()) counts[reason] = (counts[reason] ?? 0) + 1;
      return counts;
    },
    dispose: () => disposal.abort(),
  };
}
