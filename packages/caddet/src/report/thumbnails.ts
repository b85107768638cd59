// Small pictures for a report, as data URIs: a page with many images must stay small. Decoding is sharp's.
import { type ImageDataset, readImageInside } from "@caddet/coco/node";
import { DatasetError } from "@caddet/core/base";
import sharp from "sharp";

const LONGER_SIDE = 480;
const QUALITY = 68;
const MAX_PIXELS = 100_000_000;

/**
 * Makes a small JPEG of an image.
 *
 * @param dataset where it is
 * @param row in the image table
 * @returns a data URI; its longer side has 480 pixels at most, EXIF orientation is not applied
 * @throws DatasetError when the file is missing, broken, or of another size than the data set says
 */
export async function thumbnail({ images, imageFolder }: ImageDataset, row: number): Promise<string> {
  const name = images.fileNames[row]!;
  const bytes = await readImageInside(imageFolder, name);
  try {
    const opened = sharp(bytes, { failOn: "error", limitInputPixels: MAX_PIXELS });
    const { width, height } = await opened.metadata();
    const [w, h] = [images.widths[row]!, images.heights[row]!];
    if (width !== w || height !== h) throw new Error(`it is ${width} × ${height}, the annotations say ${w} × ${h}`);
    const jpeg = await opened
      .resize(LONGER_SIDE, LONGER_SIDE, { fit: "inside", withoutEnlargement: true })
      .toColourspace("srgb")
      .flatten({ background: "#fff" })
      .jpeg({ quality: QUALITY })
      .toBuffer();
    return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new DatasetError(`${name} cannot be shown: ${reason}.`, { file: name }, { cause });
  }
}
