// Batches of images and truths, decoded ahead of the consumer. The order is planned in epoch-plan.ts; pixels are made
// in batch-pixels.ts, or in sample-batch.ts where there is augmentation; resize, flip and padding follow mmdetection
// 2.1. Needs Node; knows nothing of tensors.
import {
  ConfigError,
  DatasetError,
  type GroundTruth,
  type ImageSize,
  type Random,
  resizedSize,
  type Size,
  type TargetSize,
} from "@caddet/core/base";
import { groundTruthOf, indexByImage } from "../dataset/dataset";
import type { ImageDataset } from "../dataset/files";
import { type ImageFault, type ImageFileError, prepareSharp } from "../images/image-file";
import { type BoxMap, IDENTITY_MAP, mapBoxes, mirroredMap, scaledMap } from "../transforms/box-map";
import { clipTruth, compose } from "../transforms/sample";
import { drawSize } from "../transforms/transform-resize";
import { IMAGES_AT_ONCE } from "./batch-pixels";
import { type BatchRenderer, createBatchRenderer } from "./batch-renderer";
import { createLimit } from "./concurrency-limit";
import { type EpochPlan, imageRandom, isWide, planEpoch } from "./epoch-plan";
import { type LoaderOptions, resolveLoaderOptions } from "./loader-options";
import { prefetched } from "./prefetch";
import { renderSamples, type SampleSource } from "./sample-batch";

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
  /** `[B]`: the ways from source pixels to the network's; `unmapBoxes` goes back. */
  readonly maps: readonly BoxMap[];
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
  /**
   * Takes a batch's memory back for batches to come, which saves a good part of the time that they take. Nothing may
   * use `images` any more, so give a batch back when tensors made of it are disposed.
   */
  recycle(batch: Batch): void;
  /** Ends the epochs that are under way; their iterators finish early. */
  dispose(): void;
}

// An image with what was drawn for it.
interface DrawnRow {
  readonly row: number;
  readonly target: TargetSize;
  readonly flipped: boolean;
  /** A generator that goes on where drawing the size ended. */
  readonly random: () => Random;
}

interface RenderedBatch {
  readonly batch: Batch | undefined;
  /** Bad images, by row. */
  readonly faults: ReadonlyMap<number, ImageFileError>;
}

/**
 * Makes a loader.
 *
 * Turns sharp's cache off and its threads to one an image, for the process: many images are decoded side by side
 * instead. The build makes batches in a thread of its own, so that a busy caller does not hold them up; sources,
 * bundles and transforms use the caller's thread.
 *
 * @param dataset what `loadDataset` returned, filtered for training or not
 * @param options batch size, image size (pixels), order, augmentation, prefetching and what bad images do
 * @returns a loader; equal seed and epoch give equal batches
 * @throws ConfigError when an option is out of range; while iterating, SharpMissingError, DatasetError when no image can be read, and with
 *   `badImages: "error"` ImageFileError at the first one that cannot
 * @example for await (const batch of createLoader(dataset, { batchSize: 2, size }).epoch(0)) train(batch)
 */
export function createLoader(dataset: ImageDataset, options: LoaderOptions): Loader {
  return loaderOver(dataset, options, createBatchRenderer);
}

/** {@link createLoader} with another maker of pixels, which tests count with. */
export function loaderOver(
  dataset: ImageDataset,
  options: LoaderOptions,
  createRenderer: (prefetch: number) => BatchRenderer,
): Loader {
  const resolved = resolveLoaderOptions(options);
  const {
    sizes: targets,
    sizeMode,
    sizeFor,
    padTo,
    prefetch,
    badImages,
    groupByAspect,
    normalise,
    seed,
    onSkip,
  } = resolved;
  const { images, imageFolder } = dataset;
  if (images.ids.length === 0)
    throw new DatasetError(`${dataset.file}: has no images to load.`, { file: dataset.file });
  const index = indexByImage(dataset);
  const faults = new Map<number, ImageFault>();
  const disposal = new AbortController();
  const transform = resolved.transforms.length > 0 ? compose(...resolved.transforms) : undefined;
  const limit = createLimit(IMAGES_AT_ONCE);
  const renderer = createRenderer(prefetch);
  prepareSharp();

  const sizeOf = (row: number): Size => ({ height: images.heights[row]!, width: images.widths[row]! });

  function noteFaults(found: ReadonlyMap<number, ImageFileError>): void {
    for (const [row, error] of found) {
      if (badImages === "error") throw error;
      if (faults.has(row)) continue;
      const { reason, message } = error;
      faults.set(row, reason);
      onSkip({ file: images.fileNames[row]!, imageId: images.ids[row]!, reason, message });
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

  // The row itself, or what stands in for it; undefined where it is left out.
  function usableRow(row: number, { order }: EpochPlan): number | undefined {
    if (!faults.has(row)) return row;
    if (badImages !== "refill") return undefined;
    for (const other of substitutes(row, order)) if (!faults.has(other)) return other;
    throw new DatasetError(`${dataset.file}: none of the images in ${imageFolder} can be read. Check the files.`, {
      file: dataset.file,
      imageFolder,
    });
  }

  // `lead` is the row that draws for the whole batch.
  function drawRow(row: number, lead: number, epoch: number, { flipped }: EpochPlan): DrawnRow {
    const drawnBy = (which: number) => {
      const random = imageRandom(seed, epoch, images.ids[which]!);
      return { random, target: drawSize(targets, sizeMode, random) };
    };
    const { target } = drawnBy(sizeFor === "batch" ? lead : row);
    return { row, target, flipped: flipped[row] === 1, random: () => drawnBy(row).random };
  }

  function describe(rows: readonly DrawnRow[]): Pick<Batch, "imageIds" | "sourceSizes" | "flipped"> {
    return {
      imageIds: rows.map(({ row }) => images.ids[row]!),
      sourceSizes: rows.map(({ row }) => sizeOf(row)),
      flipped: rows.map(({ flipped }) => flipped),
    };
  }

  // Memory that the consumer gave back once is used again; a batch that nobody saw is no sign that others will come back.
  function reuse(images: Float32Array): void {
    if (images.buffer instanceof SharedArrayBuffer) renderer.recycle(images);
  }

  async function renderPlain(rows: readonly DrawnRow[], signal: AbortSignal): Promise<RenderedBatch | undefined> {
    const pixels = await renderer.render(
      {
        folder: imageFolder,
        images: rows.map(({ row, target, flipped }) => ({
          file: images.fileNames[row]!,
          expected: sizeOf(row),
          target,
          flipped,
        })),
        padTo,
        normalise,
      },
      signal,
    );
    if (!pixels) return undefined;
    const found = new Map(pixels.faults.map(({ image, error }) => [rows[image]!.row, error]));
    if (found.size > 0) {
      reuse(pixels.images);
      return { batch: undefined, faults: found };
    }
    const sizes = rows.map(({ row, target }) => resizedSize(sizeOf(row), target));
    const maps = rows.map(({ flipped }, b) => {
      const scaled = scaledMap(IDENTITY_MAP, sizes[b]!.scaleX, sizes[b]!.scaleY);
      return flipped ? mirroredMap(scaled, sizes[b]!) : scaled;
    });
    const truths = rows.map(({ row }, b) => {
      const truth = groundTruthOf(dataset, index, row);
      return clipTruth({ ...truth, boxes: mapBoxes(truth.boxes, maps[b]!) }, sizes[b]!);
    });
    const shape: Batch["shape"] = [rows.length, pixels.height, pixels.width, 3];
    return { batch: { images: pixels.images, shape, truths, sizes, maps, ...describe(rows) }, faults: found };
  }

  function sourceOf(row: number): SampleSource {
    const truth: GroundTruth = groundTruthOf(dataset, index, row);
    return { row, file: images.fileNames[row]!, expected: sizeOf(row), truth };
  }

  // Any image of the data set may join a mosaic; a bad one is passed over for the next in the file.
  function drawOther(random: Random): number {
    let row = random.int(images.ids.length);
    for (let n = 0; n < images.ids.length && faults.has(row); n++) row = (row + 1) % images.ids.length;
    return row;
  }

  async function renderTransformed(
    rows: readonly DrawnRow[],
    step: NonNullable<typeof transform>,
    signal: AbortSignal,
  ): Promise<RenderedBatch | undefined> {
    const jobs = rows.map(({ row, target, flipped, random }) => {
      const draws = random();
      const others = Array.from({ length: step.others ?? 0 }, () => sourceOf(drawOther(draws)));
      return { source: sourceOf(row), others, random: draws, target, flipped };
    });
    const made = await renderSamples(jobs, { folder: imageFolder, transform: step, normalise, padTo, limit }, signal);
    if (!made) return undefined;
    if (made.faults.size > 0) return { batch: undefined, faults: made.faults };
    const maps = made.samples.map(({ map }) => map);
    const batch: Batch = {
      images: made.images,
      shape: [rows.length, made.height, made.width, 3],
      truths: made.samples.map(({ truth }) => truth),
      sizes: made.samples.map(({ size, map: { scaleX, scaleY } }) => ({ ...size, scaleX, scaleY })),
      maps,
      ...describe(rows),
    };
    return { batch, faults: made.faults };
  }

  // A batch with a bad image is made again without it: rare, and each bad image costs it once.
  async function loadBatch(rows: Int32Array, epoch: number, plan: EpochPlan, signal: AbortSignal) {
    while (!signal.aborted) {
      const usable = Array.from(rows, (row) => usableRow(row, plan)).filter((row) => row !== undefined);
      if (usable.length === 0) return undefined;
      const drawn = usable.map((row) => drawRow(row, rows[0]!, epoch, plan));
      const rendered = transform ? await renderTransformed(drawn, transform, signal) : await renderPlain(drawn, signal);
      if (!rendered) return undefined;
      if (rendered.batch) return rendered.batch;
      noteFaults(rendered.faults);
    }
    return undefined;
  }

  return {
    batchesPerEpoch: planEpoch(images, resolved, 0).batches.length,
    async *epoch(epoch, { startBatch = 0 } = {}) {
      if (disposal.signal.aborted) throw new ConfigError("The loader was disposed. Make a new one.");
      if (!Number.isSafeInteger(epoch) || epoch < 0 || !Number.isSafeInteger(startBatch) || startBatch < 0) {
        throw new ConfigError(`Epoch and startBatch are integers from 0, got ${epoch} and ${startBatch}.`);
      }
      const plan = planEpoch(images, resolved, epoch);
      const run = (rows: Int32Array, signal: AbortSignal) => loadBatch(rows, epoch, plan, signal);
      const discard = (batch: Batch) => reuse(batch.images);
      yield* prefetched(plan.batches.slice(startBatch), run, { ahead: prefetch, signal: disposal.signal, discard });
    },
    skipped() {
      const counts: Partial<Record<ImageFault, number>> = {};
      for (const reason of faults.values()) counts[reason] = (counts[reason] ?? 0) + 1;
      return counts;
    },
    recycle: (batch) => renderer.recycle(batch.images),
    dispose() {
      disposal.abort();
      renderer.dispose();
    },
  };
}
