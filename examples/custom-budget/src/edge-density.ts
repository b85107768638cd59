// How many edges an image shows: the share of neighbouring pixels that differ. Plain arrays; it knows nothing of budgets.
import { ShapeError } from "@caddet/core";

/** Where an image lies in a batch. */
export interface EdgeDensityOptions {
  /** Rows and columns that the image fills, from the top left corner. */
  readonly height: number;
  readonly width: number;
  /** Pixels of a row, padding included. Default `width`. */
  readonly stride?: number;
  /** Neighbours whose brightness (the mean of their channels) differs by more make an edge, in the unit of the pixels. Default 0.3. */
  readonly contrast?: number;
}

/**
 * The share of neighbouring pixels, right and below, between which there is an edge.
 *
 * @param pixels `[rows * stride * 3]`, three channels
 * @param options size and contrast
 * @returns a share in [0, 1]; 0 for a single pixel
 * @throws ShapeError when the image does not fit the pixels
 * @example edgeDensity(Float32Array.of(0, 0, 0, 1, 1, 1), { height: 1, width: 2 }) // 1
 */
export function edgeDensity(
  pixels: Float32Array,
  { height, width, stride = width, contrast = 0.3 }: EdgeDensityOptions,
): number {
  if (width > stride || ((height - 1) * stride + width) * 3 > pixels.length) {
    throw new ShapeError(
      `An image of ${height} x ${width} pixels does not fit ${pixels.length} numbers in rows of ${stride}.`,
    );
  }
  const brightness = (y: number, x: number) => {
    const at = (y * stride + x) * 3;
    return (pixels[at]! + pixels[at + 1]! + pixels[at + 2]!) / 3;
  };
  let [edges, pairs] = [0, 0];
  const compare = (a: number, b: number) => {
    pairs++;
    if (Math.abs(a - b) > contrast) edges++;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const own = brightness(y, x);
      if (x + 1 < width) compare(own, brightness(y, x + 1));
      if (y + 1 < height) compare(own, brightness(y + 1, x));
    }
  }
  return pairs === 0 ? 0 : edges / pairs;
}
