// Pixels in memory as a source: RGB or RGBA bytes.
import { ShapeError, type Size } from "@caddet/core";
import { type ImageSource, type RgbaImage, type RgbImage, requirePixels } from "./image-source";
import { resizePixels } from "./resize-pixels";

/**
 * Takes the alpha out of pixels, without mixing it in.
 *
 * @param rgba `[pixels * 4]`
 * @returns `[pixels * 3]`
 */
export function withoutAlpha(rgba: Uint8Array | Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = rgba[from]!;
    rgb[to + 1] = rgba[from + 1]!;
    rgb[to + 2] = rgba[from + 2]!;
  }
  return rgb;
}

/**
 * Makes a source of pixels in memory. They are read when it is rendered: leave them as they are until then.
 *
 * @param image RGB or RGBA bytes, row by row; which of the two is told by their number
 * @returns a source of the same size
 * @throws ShapeError when the bytes do not fit the size, or are no bytes
 */
export function pixelSource({ height, width, data }: RgbImage | RgbaImage): ImageSource {
  requirePixels({ height, width }, "An image");
  const pixels = height * width;
  const isBytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  if (!isBytes || (data.length !== pixels * 3 && data.length !== pixels * 4)) {
    const got = isBytes ? `${(data as Uint8Array).length}` : "data that is no Uint8Array or Uint8ClampedArray";
    throw new ShapeError(
      `An image of ${height} x ${width} pixels needs ${pixels * 3} bytes of RGB or ${pixels * 4} of RGBA, got ${got}.`,
      { height, width },
    );
  }
  const rgbBytes = () => {
    if (data.length === pixels * 4) return withoutAlpha(data);
    return data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
  };
  return { height, width, render: async (size: Size) => resizePixels(rgbBytes(), { height, width }, size) };
}
