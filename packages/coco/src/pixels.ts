// Moves 8-bit RGB pixels into a normalised, padded float batch. One table look-up a value: no arithmetic on pixels.
import { ConfigError } from "@caddet/core";
import type { Size } from "./transforms";

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
