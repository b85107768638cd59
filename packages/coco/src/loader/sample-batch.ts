// A batch of images with augmentation: decoded whole, transformed in their own pixels, then resized, mirrored,
// normalised and padded. It runs where the transforms are, in the caller's thread; batches without transforms are
// made by batch-pixels.ts.
import { join } from "node:path";
import {
  type GroundTruth,
  type Normalisation,
  normalisationTable,
  type Random,
  type Size,
  type TargetSize,
} from "@caddet/core/base";
import { decodeImage, ImageFileError, readImageInside } from "../images/image-file";
import { writeRows } from "../images/pixel-rows";
import { newSample, type Sample, type Transform } from "../transforms/sample";
import { mirrorSample } from "../transforms/transform-frame";
import { resizeSample } from "../transforms/transform-resize";
import { batchSize } from "./batch-pixels";
import type { Limit } from "./concurrency-limit";

/** An image file with its objects. */
export interface SampleSource {
  /** Row of the image table. */
  readonly row: number;
  readonly file: string;
  readonly expected: Size;
  readonly truth: GroundTruth;
}

/** An image of a batch with all that was drawn for it. */
export interface SampleJob {
  readonly source: SampleSource;
  readonly others: readonly SampleSource[];
  /** Where the transform draws from. */
  readonly random: Random;
  readonly target: TargetSize;
  readonly flipped: boolean;
}

/** A batch, unless an image was bad. */
export interface SampleBatch {
  /** `[B * H * W * 3]`; empty where there are faults. */
  readonly images: Float32Array;
  readonly height: number;
  readonly width: number;
  readonly samples: readonly Sample[];
  /** By row of the image table. */
  readonly faults: ReadonlyMap<number, ImageFileError>;
}

function writeSample(
  { rgb, size }: Sample,
  normalise: Normalisation,
  out: Float32Array,
  offset: number,
  stride: number,
): void {
  if (rgb instanceof Uint8Array) {
    writeRows(rgb, size, normalisationTable(normalise), out, { offset, stride, flipped: false });
    return;
  }
  const { mean, std } = normalise;
  for (let y = 0; y < size.height; y++) {
    for (let i = 0; i < size.width * 3; i++) {
      out[offset + y * stride * 3 + i] = (rgb[y * size.width * 3 + i]! - mean[i % 3]!) / std[i % 3]!;
    }
  }
}

/**
 * Makes a batch of augmented images.
 *
 * @param jobs the images with what was drawn for them
 * @param options folder, transform, normalisation, padding, and how many images are decoded at once
 * @param signal ends it early: undefined is returned
 */
export async function renderSamples(
  jobs: readonly SampleJob[],
  {
    folder,
    transform,
    normalise,
    padTo,
    limit,
  }: {
    readonly folder: string;
    readonly transform: Transform;
    readonly normalise: Normalisation;
    readonly padTo: number;
    readonly limit: Limit;
  },
  signal: AbortSignal,
): Promise<SampleBatch | undefined> {
  const faults = new Map<number, ImageFileError>();
  const decode = async ({ row, file, expected, truth }: SampleSource): Promise<Sample | undefined> => {
    if (signal.aborted) return undefined;
    try {
      const { rgb, source } = await decodeImage(await readImageInside(folder, file), {
        file: join(folder, file),
        expected,
      });
      return newSample(rgb, source, truth);
    } catch (error) {
      if (!(error instanceof ImageFileError)) throw error;
      faults.set(row, error);
      return undefined;
    }
  };
  const render = async ({ source, others, random, target, flipped }: SampleJob): Promise<Sample | undefined> => {
    const decoded = await Promise.all([source, ...others].map(decode));
    const [own, ...rest] = decoded.filter((sample) => sample !== undefined);
    if (!own || rest.length < others.length || signal.aborted) return undefined;
    const resized = resizeSample(transform(own, random, rest), target);
    return flipped ? mirrorSample(resized) : resized;
  };
  const ends = await Promise.allSettled(jobs.map((job) => limit(() => render(job))));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  if (signal.aborted) return undefined;
  const samples = ends.flatMap((end) => (end.status === "fulfilled" && end.value ? [end.value] : []));
  if (faults.size > 0) return { images: new Float32Array(0), height: 0, width: 0, samples: [], faults };
  const { height, width } = batchSize(
    samples.map(({ size }) => size),
    padTo,
  );
  const images = new Float32Array(samples.length * height * width * 3);
  samples.forEach((sample, b) => {
    writeSample(sample, normalise, images, b * height * width * 3, width);
  });
  return { images, height, width, samples, faults };
}
