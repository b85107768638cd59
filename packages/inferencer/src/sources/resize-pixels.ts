// Resizes 8-bit RGB as files are resized for training: linear interpolation, averaging what falls together where an image is made
// smaller (a triangle filter that is as wide as the shrinking asks for). Plain arithmetic: it needs no backend and no tensor.
import type { Size } from "@caddet/core";

/** Which inputs each output is made of, along one side. */
interface Taps {
  /** `[outputs]`: the first input. */
  readonly first: Int32Array;
  /** `[outputs]`: how many follow each other. */
  readonly counts: Int32Array;
  /** `[outputs * most]`: their shares, which add up to 1. */
  readonly shares: Float32Array;
  /** The most inputs of an output. */
  readonly most: number;
}

function tapsOf(inputs: number, outputs: number): Taps {
  const scale = inputs / outputs;
  const reach = Math.max(1, scale);
  const most = Math.ceil(reach) * 2 + 1;
  const first = new Int32Array(outputs);
  const counts = new Int32Array(outputs);
  const shares = new Float32Array(outputs * most);
  for (let i = 0; i < outputs; i++) {
    const centre = (i + 0.5) * scale;
    const from = Math.max(0, Math.floor(centre - reach + 0.5));
    const to = Math.min(inputs, Math.floor(centre + reach + 0.5));
    const weights = Array.from({ length: to - from }, (_, k) =>
      Math.max(0, 1 - Math.abs(from + k + 0.5 - centre) / reach),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    first[i] = from;
    counts[i] = to - from;
    for (const [k, weight] of weights.entries()) shares[i * most + k] = weight / sum;
  }
  return { first, counts, shares, most };
}

/**
 * Resizes an image.
 *
 * @param rgb `[from.height * from.width * 3]`
 * @param from its size, pixels
 * @param to the wanted size, pixels
 * @returns `[to.height * to.width * 3]`; the image itself where the sizes are equal
 */
export function resizePixels(rgb: Uint8Array, from: Size, to: Size): Uint8Array {
  if (from.height === to.height && from.width === to.width) return rgb;
  const down = tapsOf(from.height, to.height);
  const across = tapsOf(from.width, to.width);
  const rowLength = from.width * 3;
  const row = new Float32Array(rowLength);
  // Rounds and clips by itself.
  const resized = new Uint8ClampedArray(to.height * to.width * 3);
  for (let y = 0; y < to.height; y++) {
    row.fill(0);
    for (let k = 0; k < down.counts[y]!; k++) {
      const share = down.shares[y * down.most + k]!;
      const start = (down.first[y]! + k) * rowLength;
      for (let i = 0; i < rowLength; i++) row[i]! += share * rgb[start + i]!;
    }
    for (let x = 0; x < to.width; x++) {
      let [red, green, blue] = [0, 0, 0];
      let at = across.first[x]! * 3;
      for (let k = 0; k < across.counts[x]!; k++, at += 3) {
        const share = across.shares[x * across.most + k]!;
        red += share * row[at]!;
        green += share * row[at + 1]!;
        blue += share * row[at + 2]!;
      }
      const out = (y * to.width + x) * 3;
      resized[out] = red;
      resized[out + 1] = green;
      resized[out + 2] = blue;
    }
  }
  return new Uint8Array(resized.buffer);
}
