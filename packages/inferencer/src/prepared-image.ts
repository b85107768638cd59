// From an image to what the network takes: brought to the size that it was trained on, normalised, padded at the right and the bottom.
import {
  type ImageSize,
  type Normalisation,
  normalisationTable,
  paddedSize,
  resizedSize,
  ShapeError,
  type Size,
  type TargetSize,
  writePixels,
} from "@caddet/core";
import type { ImageSource } from "./sources";

/** How images are prepared. */
export interface Preparation {
  /** Bounds of the shorter and the longer side of the network's input, pixels. */
  readonly target: TargetSize;
  /** Both sides of the input are padded to multiples of this. */
  readonly padTo: number;
  readonly normalise: Normalisation;
  /** The one size of the input, where it has no other. */
  readonly fixedInput: Size | undefined;
}

/** Where an image goes in the network's input. */
export interface Fit {
  /** What the image fills, and its scale. */
  readonly size: Required<ImageSize>;
  /** H and W, padding included. */
  readonly input: Size;
}

/** Prepares images. */
export interface Preparer {
  /** Says where an image goes; nothing is rendered. */
  fit(source: Size): Fit;
  /** `[H * W * 3]`: the image as the network takes it. */
  prepare(source: ImageSource, fit: Fit): Promise<Float32Array>;
}

// The largest size with the source's aspect ratio inside of a frame that does not turn with it.
function sizeWithin({ height, width }: Size, frame: Size): Required<ImageSize> {
  const scale = Math.min(frame.height / height, frame.width / width);
  const side = (v: number, bound: number) => Math.min(bound, Math.max(1, Math.floor(v * scale + 0.5)));
  const [h, w] = [side(height, frame.height), side(width, frame.width)];
  return { height: h, width: w, scaleX: w / width, scaleY: h / height };
}

async function renderChecked(source: ImageSource, size: Size): Promise<Uint8Array> {
  const rgb = await source.render({ height: size.height, width: size.width });
  const bytes = size.height * size.width * 3;
  if (rgb.length === bytes) return rgb;
  throw new ShapeError(
    `render() of the image gave ${rgb.length} bytes for ${size.height} x ${size.width} pixels, expected ${bytes}: RGB without alpha.`,
    { height: size.height, width: size.width },
  );
}

/**
 * Makes a preparer.
 *
 * @throws ConfigError when the size, the padding or the normalisation is not usable
 */
export function createPreparer({ target, padTo, normalise, fixedInput }: Preparation): Preparer {
  const table = normalisationTable(normalise);
  const fit = (source: Size): Fit => {
    const size = resizedSize(source, target);
    if (!fixedInput) return { size, input: paddedSize(size, padTo) };
    const fits = size.height <= fixedInput.height && size.width <= fixedInput.width;
    return { size: fits ? size : sizeWithin(source, fixedInput), input: fixedInput };
  };
  fit({ height: 1, width: 1 }); // what is wrong with the bounds shows now, not at the first image
  return {
    fit,
    prepare: async (source, { size, input }) => {
      const rgb = await renderChecked(source, size);
      const values = new Float32Array(input.height * input.width * 3);
      writePixels(rgb, size, table, values, { offset: 0, stride: input.width, flipped: false });
      return values;
    },
  };
}
