// Image files as sources of pixels, decoded and resized by sharp in one go, as the training loader does it: no EXIF rotation; grey,
// alpha, CMYK and 16-bit become 8-bit RGB. Needs Node.
import { DatasetError } from "@caddet/core";
import sharp from "sharp";
import type { ImageSource } from "./inferencer";

const MAX_PIXELS = 100_000_000;
// Formats that hold pixels; SVG and PDF would run a renderer on foreign input.
const FORMATS: ReadonlySet<string> = new Set(["jpeg", "png", "webp", "tiff", "gif", "heif"]);

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message.trim() : String(cause));

/**
 * Opens an image.
 *
 * @param source path or content of a JPEG, PNG, WebP, TIFF, GIF or AVIF file
 * @returns a source of its pixels
 * @throws DatasetError when it is missing, broken, of another format, or of more than 100 million pixels
 * @example await inferencer.detect(await openImage("street.jpg"))
 */
export async function openImage(source: string | Uint8Array): Promise<ImageSource> {
  const file = typeof source === "string" ? source : "the image";
  const fail = (why: string, cause?: unknown) =>
    new DatasetError(`${file} cannot be used: ${why}. Give a whole image file.`, { file }, { cause });
  if (typeof source !== "string" && source.byteLength === 0) throw fail("it has no bytes");
  const open = () => sharp(source, { failOn: "error", limitInputPixels: MAX_PIXELS });
  let header: { readonly format?: string; readonly width?: number; readonly height?: number };
  try {
    header = await open().metadata();
  } catch (cause) {
    throw fail(reasonOf(cause), cause);
  }
  const { format, width, height } = header;
  if (!format || !FORMATS.has(format) || !width || !height) {
    throw fail(`it is ${format ?? "of an unknown format"}; read are ${[...FORMATS].join(", ")}`);
  }
  return {
    height,
    width,
    render: async (size) => {
      try {
        return await open()
          .toColourspace("srgb")
          .removeAlpha()
          .resize(size.width, size.height, { fit: "fill", kernel: "linear" })
          .raw({ depth: "uchar" })
          .toBuffer();
      } catch (cause) {
        throw fail(reasonOf(cause), cause);
      }
    },
  };
}
