// From files to normalised batches: Inception's random resized crop and a flip to train on, the usual central crop to judge by.
// Decoding runs in sharp's threads while the network computes.
import { DatasetError, IMAGENET_NORMALISATION, normalisationTable, type Random, writePixels } from "@caddet/core";
import sharp from "sharp";
import type { LabelledFiles } from "./class-folders";

/** Images of one size. */
export interface ImageBatch {
  /** `[B * side * side * 3]`, normalised. */
  readonly values: Float32Array;
  /** `[B]` */
  readonly labels: Int32Array;
}

/** A rectangle of whole pixels. */
export interface Crop {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const TABLE = normalisationTable(IMAGENET_NORMALISATION);
// What a central crop shows of the shorter side: 224 of 256 pixels.
const CENTRAL = 224 / 256;
const TRIES = 10;

/**
 * A crop of 8 to 100 % of the area with a ratio of 3:4 to 4:3; the centre where none fits.
 *
 * @param width of the image, pixels
 * @param height of the image
 * @param random draws it
 */
export function randomCrop(width: number, height: number, random: Random): Crop {
  for (let t = 0; t < TRIES; t++) {
    const area = width * height * (0.08 + 0.92 * random.next());
    const ratio = Math.exp((2 * random.next() - 1) * Math.log(4 / 3));
    const w = Math.round(Math.sqrt(area * ratio));
    const h = Math.round(Math.sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return { left: random.int(width - w + 1), top: random.int(height - h + 1), width: w, height: h };
  }
  return centralCrop(width, height, 1);
}

/** The central square with this share of the shorter side. */
export function centralCrop(width: number, height: number, share = CENTRAL): Crop {
  const side = Math.max(1, Math.round(Math.min(width, height) * share));
  return { left: (width - side) >> 1, top: (height - side) >> 1, width: side, height: side };
}

async function readInto(file: string, side: number, random: Random | undefined, batch: Float32Array, offset: number) {
  try {
    const image = sharp(file, { failOn: "error" }).toColourspace("srgb").removeAlpha();
    const { width, height } = await image.metadata();
    const crop = random ? randomCrop(width, height, random) : centralCrop(width, height);
    const rgb = await image
      .extract(crop)
      .resize(side, side, { fit: "fill", kernel: "linear" })
      .raw({ depth: "uchar" })
      .toBuffer();
    const place = { offset, stride: side, flipped: random !== undefined && random.next() < 0.5 };
    writePixels(rgb, { height: side, width: side }, TABLE, batch, place);
  } catch (cause) {
    throw new DatasetError(`${file} cannot be used: ${(cause as Error).message}`, { file }, { cause });
  }
}

/** What a batch is made of. */
export interface BatchPlan {
  readonly data: LabelledFiles;
  /** Indices of the images. */
  readonly images: ArrayLike<number>;
  readonly side: number;
  /** A generator an image, for crops and flips; absent: central crops. */
  readonly randomOf?: (image: number) => Random;
}

/**
 * Decodes a batch.
 *
 * @throws DatasetError for a file that is broken
 */
export async function readBatch({ data, images, side, randomOf }: BatchPlan): Promise<ImageBatch> {
  const size = side * side * 3;
  const values = new Float32Array(images.length * size);
  const indices = Array.from(images);
  await Promise.all(indices.map((i, n) => readInto(data.files[i]!, side, randomOf?.(i), values, n * size)));
  return { values, labels: Int32Array.from(indices, (i) => data.labels[i]!) };
}

/**
 * Reads batches ahead of their use.
 *
 * @param plans what each is made of
 * @param ahead how many are being read while one is used
 */
export async function* readAhead(plans: readonly BatchPlan[], ahead = 2): AsyncGenerator<ImageBatch> {
  const reading: Promise<ImageBatch>[] = [];
  for (let next = 0; next < plans.length || reading.length > 0; ) {
    while (next < plans.length && reading.length <= ahead) {
      const batch = readBatch(plans[next++]!);
      batch.catch(() => {}); // told when its turn comes
      reading.push(batch);
    }
    yield await reading.shift()!;
  }
}
