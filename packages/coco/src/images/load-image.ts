// One image for inference, brought in the form that a loader gives batches: resized, normalised, padded. Needs Node.
import {
  IMAGENET_NORMALISATION,
  type ImageSize,
  type Normalisation,
  normalisationTable,
  paddedSize,
  type Size,
  type TargetSize,
  writePixels,
} from "@caddet/core/base";
import { decodeImage, readImageFile } from "./image-file";

/** Options of {@link loadImage}. */
export interface LoadImageOptions extends TargetSize {
  /** Both sides are padded to multiples of this. Default 32. */
  readonly padTo?: number;
  /** Default ImageNet's. */
  readonly normalise?: Normalisation;
}

/** An image as a network takes it. */
export interface LoadedImage {
  /** `[H * W * 3]`, normalised, padded with zeros at the right and the bottom. */
  readonly images: Float32Array;
  /** `[1, H, W, 3]` */
  readonly shape: [1, number, number, 3];
  /** The part of it that the image fills, and its scales: heads give boxes in source pixels with them. */
  readonly size: ImageSize;
  readonly sourceSize: Size;
}

/**
 * Loads one image.
 *
 * @param source path or content of a JPEG, PNG, WebP, TIFF or GIF file
 * @param options bounds of the shorter and longer side in pixels, padding (32) and normalisation (ImageNet's)
 * @returns values `[1, H, W, 3]` and sizes
 * @throws ImageFileError when the file is missing, broken or of another format
 * @example const { images, shape } = await loadImage("street.jpg", { shorter: 600, longer: 1000 })
 */
export async function loadImage(
  source: string | Uint8Array,
  { shorter, longer, padTo = 32, normalise = IMAGENET_NORMALISATION }: LoadImageOptions,
): Promise<LoadedImage> {
  const file = typeof source === "string" ? source : "image";
  const bytes = typeof source === "string" ? await readImageFile(source) : source;
  const table = normalisationTable(normalise);
  const { rgb, size, source: sourceSize } = await decodeImage(bytes, { file, target: { shorter, longer } });
  const { height, width } = paddedSize(size, padTo);
  const images = new Float32Array(height * width * 3);
  writePixels(rgb, size, table, images, { offset: 0, stride: width, flipped: false });
  return { images, shape: [1, height, width, 3], size, sourceSize };
}
