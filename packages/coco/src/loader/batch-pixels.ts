// A batch's pixels from its files: read, decode, resize, mirror, normalise, pad. Plain data in and out, so that it
// can run in a thread of its own. Which images, and what is on them, is the loader's business. Needs Node.
import { join } from "node:path";
import {
  type Normalisation,
  normalisationTable,
  paddedSize,
  resizedSize,
  type Size,
  type TargetSize,
} from "@caddet/core/base";
import { decodeImage, ImageFileError, readImageInside } from "../images/image-file";
import { writeRows } from "../images/pixel-rows";
import { type MemoryPiece, takeRoom } from "./batch-memory";
import type { Limit } from "./concurrency-limit";

/** Images decoded at once; more than there are threads, so that files are read meanwhile. */
export const IMAGES_AT_ONCE = 16;

/** An image of a batch. */
export interface ImageJob {
  /** Path within the folder. */
  readonly file: string;
  /** The size that the annotations claim, pixels. */
  readonly expected: Size;
  readonly target: TargetSize;
  /** Whether it is mirrored left to right. */
  readonly flipped: boolean;
}

/** A batch to make. */
export interface BatchJob {
  /** Real path of the images' folder. */
  readonly folder: string;
  readonly images: readonly ImageJob[];
  readonly padTo: number;
  readonly normalise: Normalisation;
}

/** An image of a batch that cannot be used. */
export interface BatchFault {
  /** Index within the batch. */
  readonly image: number;
  readonly error: ImageFileError;
}

/** Pixels, unless an image was bad. */
export interface BatchPixels {
  /** `[B * H * W * 3]`; without content where there are faults. */
  readonly images: Float32Array;
  readonly height: number;
  readonly width: number;
  /** In the order of the images. */
  readonly faults: readonly BatchFault[];
}

/** The size of a batch that holds images of these sizes, pixels. */
export function batchSize(sizes: readonly Size[], padTo: number): Size {
  const padded = sizes.map((size) => paddedSize(size, padTo));
  return { height: Math.max(...padded.map((p) => p.height)), width: Math.max(...padded.map((p) => p.width)) };
}

function sizeOfJob({ images, padTo }: BatchJob): Size {
  return batchSize(
    images.map(({ expected, target }) => resizedSize(expected, target)),
    padTo,
  );
}

/** How many values a batch has. */
export function batchLength(job: BatchJob): number {
  const { height, width } = sizeOfJob(job);
  return job.images.length * height * width * 3;
}

/**
 * Makes a batch. Its room is laid out by the sizes in the annotations, and each image goes there as soon as it is
 * decoded, so that no batch waits in bytes and floats at once.
 *
 * @param job what to make
 * @param limit how many images are decoded at once
 * @param memory where it goes, or none
 * @param signal ends it early: undefined is returned
 */
export async function renderBatch(
  job: BatchJob,
  limit: Limit,
  memory: MemoryPiece | undefined,
  signal: AbortSignal,
): Promise<BatchPixels | undefined> {
  const { folder, images, normalise } = job;
  const { height, width } = sizeOfJob(job);
  const room = height * width * 3;
  const table = normalisationTable(normalise);
  const { values, used } = takeRoom(images.length * room, memory);
  const faults: BatchFault[] = [];
  const write = async ({ file, expected, target, flipped }: ImageJob, image: number) => {
    if (signal.aborted) return;
    try {
      const bytes = await readImageInside(folder, file);
      if (signal.aborted) return;
      const { rgb, size } = await decodeImage(bytes, { file: join(folder, file), target, expected });
      const place = { offset: image * room, stride: width, flipped };
      writeRows(rgb, size, table, values, used ? { ...place, rows: height } : place);
    } catch (error) {
      if (!(error instanceof ImageFileError)) throw error;
      faults.push({ image, error });
    }
  };
  const ends = await Promise.allSettled(images.map((image, at) => limit(() => write(image, at))));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  if (signal.aborted) return undefined;
  faults.sort((a, b) => a.image - b.image);
  return { images: values, height, width, faults };
}
