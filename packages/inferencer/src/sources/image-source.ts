// What an inferencer takes images from: something of known size that gives its pixels at any size. Types and one check; where pixels
// come from is told by the files beside this one, and by ../node for files.
import { ShapeError, type Size } from "@caddet/core";

/** 8-bit RGB pixels. */
export interface RgbImage extends Size {
  /** `[height * width * 3]`. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** 8-bit RGBA pixels, as a browser's ImageData has them. Alpha is dropped, not mixed in. */
export interface RgbaImage extends Size {
  /** `[height * width * 4]`. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** An image that can give its pixels at any size; what reads files decodes and resizes in one go. */
export interface ImageSource extends Size {
  /** `[size.height * size.width * 3]`: 8-bit RGB, bilinearly resized. */
  render(size: Size): Promise<Uint8Array>;
}

/**
 * Refuses a size without pixels.
 *
 * @param size pixels
 * @param what names the image in the error text
 * @throws ShapeError when a side is no positive integer
 */
export function requirePixels({ height, width }: Size, what: string): void {
  if (Number.isInteger(height) && Number.isInteger(width) && height > 0 && width > 0) return;
  throw new ShapeError(`${what} has sides that are positive integers, got ${height} x ${width} pixels.`, {
    height,
    width,
  });
}
