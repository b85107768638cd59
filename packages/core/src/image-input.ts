// From an image's pixels to a network's input (mmdetection 2.1's rules): the size that it is brought to, padding, normalising. Pure
// functions on sizes and bytes; decoding and resizing pixels is others' business.
import { ConfigError } from "./errors";

/** Height and width in pixels. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** The frame that an image is fitted into, whichever way it lies. */
export interface TargetSize {
  /** Bound of the shorter side, pixels. */
  readonly shorter: number;
  /** Bound of the longer side, pixels. */
  readonly longer: number;
}

/** A size and the ratios that led to it. */
export interface ResizedSize extends Size {
  /** New pixels for an old one, across: the rounded width over the old one. */
  readonly scaleX: number;
  /** New pixels for an old one, down. */
  readonly scaleY: number;
}

/**
 * The largest size with the image's aspect ratio that fits the target.
 *
 * @param source size in pixels
 * @param target bounds of the shorter and the longer side
 * @returns sides `int(side * scale + 0.5)`, at least 1, and the ratios that rounding left
 * @throws ConfigError when a bound is not positive or `shorter > longer`
 * @example resizedSize({ height: 480, width: 640 }, { shorter: 600, longer: 1000 }) // 600 × 800
 */
export function resizedSize({ height, width }: Size, { shorter, longer }: TargetSize): ResizedSize {
  if (!(shorter >= 1) || !(longer >= shorter) || !Number.isFinite(longer)) {
    throw new ConfigError(`The size needs 1 <= shorter <= longer, got shorter ${shorter}, longer ${longer}.`);
  }
  const scale = Math.min(longer / Math.max(height, width), shorter / Math.min(height, width));
  const newHeight = Math.max(1, Math.floor(height * scale + 0.5));
  const newWidth = Math.max(1, Math.floor(width * scale + 0.5));
  return { height: newHeight, width: newWidth, scaleX: newWidth / width, scaleY: newHeight / height };
}

/**
 * The size after padding at the right and the bottom.
 *
 * @param size in pixels
 * @param multiple what both sides become multiples of
 * @returns the next multiples
 * @throws ConfigError when `multiple` is not a positive integer
 * @example paddedSize({ height: 600, width: 800 }, 32) // 608 × 800
 */
export function paddedSize({ height, width }: Size, multiple: number): Size {
  if (!Number.isInteger(multiple) || multiple < 1) {
    throw new ConfigError(`Padding goes to a multiple of a positive integer, got ${multiple}.`);
  }
  return { height: Math.ceil(height / multiple) * multiple, width: Math.ceil(width / multiple) * multiple };
}

/** What is taken from and divided out of each channel, in the order red, green, blue, on 0..255. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** ImageNet's statistics, mmdetection's default. */
export const IMAGENET_NORMALISATION: Normalisation = {
  mean: [123.675, 116.28, 103.53],
  std: [58.395, 57.12, 57.375],
};

/**
 * The normalised value of each byte.
 *
 * @param normalisation mean and standard deviation, RGB
 * @returns `[3 * 256]`: red, green, blue
 * @throws ConfigError when a number is not finite or a deviation not positive
 */
export function normalisationTable({ mean, std }: Normalisation): Float32Array {
  if (![...mean, ...std].every(Number.isFinite) || std.some((v) => v <= 0) || mean.length + std.length !== 6) {
    throw new ConfigError(`Normalising needs three means and three positive deviations, got [${mean}] and [${std}].`);
  }
  return Float32Array.from({ length: 768 }, (_, i) => {
    const channel = i >> 8;
    return ((i & 255) - mean[channel]!) / std[channel]!;
  });
}

/** Where an image goes within a batch. */
export interface PixelPlace {
  /** Index of its first value. */
  readonly offset: number;
  /** Pixels of a row of the batch. */
  readonly stride: number;
  /** Whether it is mirrored left to right. */
  readonly flipped: boolean;
}

/**
 * Writes an image into a batch; padding is left as it is.
 *
 * @param rgb `[height * width * 3]`
 * @param size of the image
 * @param table what {@link normalisationTable} returned
 * @param batch `[B * H * W * 3]`
 * @param place where in the batch
 */
export function writePixels(
  rgb: Uint8Array,
  { height, width }: Size,
  table: Float32Array,
  batch: Float32Array,
  { offset, stride, flipped }: PixelPlace,
): void {
  const step = flipped ? -3 : 3;
  let from = 0;
  for (let y = 0; y < height; y++) {
    let to = offset + y * stride * 3 + (flipped ? (width - 1) * 3 : 0);
    for (let x = 0; x < width; x++) {
      batch[to] = table[rgb[from]!]!;
      batch[to + 1] = table[256 + rgb[from + 1]!]!;
      batch[to + 2] = table[512 + rgb[from + 2]!]!;
      from += 3;
      to += step;
    }
  }
}
