// Image files as sources of pixels, decoded and resized by sharp in one go, as the training loader does it: no EXIF rotation; grey,
// alpha, CMYK and 16-bit become 8-bit RGB. What a file claims of itself is bounded before anything is decoded. Needs Node.
import { readFile, stat } from "node:fs/promises";
import { DatasetError } from "@caddet/core";
import sharp from "sharp";
import type { ImageSource } from "../sources";

/** What {@link openImage} found wrong, the `reason` in the details of its error. */
export type ImageFault = "missing" | "no-file" | "empty" | "too-large" | "format" | "broken";

// Both keep a hostile file from taking the memory: few images have 50 MB, and 100 million pixels are 300 MB decoded.
const MAX_BYTES = 200_000_000;
const MAX_PIXELS = 100_000_000;
// Formats that hold pixels; SVG and PDF would run a renderer on foreign input.
const FORMATS: ReadonlySet<string> = new Set(["jpeg", "png", "webp", "tiff", "gif", "heif"]);

type Fail = (reason: ImageFault, why: string, advice: string, cause?: unknown) => DatasetError;

const failer =
  (file: string): Fail =>
  (reason, why, advice, cause) =>
    new DatasetError(`${file} cannot be used: ${why}. ${advice}.`, { file, reason }, { cause });

const reasonOf = (cause: unknown) =>
  (cause instanceof Error ? cause.message : String(cause)).trim().split("\n")[0]!.replace(/\.$/, "");

async function bytesOf(file: string, fail: Fail): Promise<Uint8Array> {
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(file);
  } catch (cause) {
    throw fail("missing", reasonOf(cause), "Check the path and its rights", cause);
  }
  if (found.isDirectory()) throw fail("no-file", "it is a folder", "List its images with imageFiles()");
  // A pipe might never end, and a device has no size.
  if (!found.isFile()) throw fail("no-file", "it is no plain file", "Read it yourself, and pass the bytes");
  requireBytes(found.size, fail);
  try {
    return await readFile(file);
  } catch (cause) {
    throw fail("missing", reasonOf(cause), "Check its rights", cause);
  }
}

function requireBytes(bytes: number, fail: Fail): void {
  if (bytes === 0) throw fail("empty", "it has no bytes", "Give a whole image file");
  if (bytes <= MAX_BYTES) return;
  throw fail("too-large", `it has ${bytes} bytes, at most ${MAX_BYTES} are read`, "Make the image smaller");
}

/**
 * Opens an image. The file is read now, and decoded when it is rendered: a cut one may show no earlier.
 *
 * @param source path or content of a JPEG, PNG, WebP, TIFF, GIF or AVIF file; of several pictures the first is taken
 * @returns a source of its pixels; `render` throws DatasetError where they are broken
 * @throws DatasetError with a `reason` (see {@link ImageFault}) in its details when it is missing, no plain file, empty, of another
 *   format, broken, of more than 200 MB or more than 100 million pixels
 * @example await inferencer.detect(await openImage("street.jpg"))
 */
export async function openImage(source: string | Uint8Array): Promise<ImageSource> {
  const fail = failer(typeof source === "string" ? source : "the image");
  // sharp reads bytes, not paths: it would remember the pixels of a path, and give them after the file has changed.
  const bytes = typeof source === "string" ? await bytesOf(source, fail) : source;
  requireBytes(bytes.byteLength, fail);
  const open = (limitInputPixels: number | false) => sharp(bytes, { failOn: "error", limitInputPixels });
  let header: { readonly format?: string; readonly width?: number; readonly height?: number };
  try {
    // The header alone is read, whatever it claims.
    header = await open(false).metadata();
  } catch (cause) {
    throw fail("broken", reasonOf(cause), "Give a whole image file", cause);
  }
  const { format, width, height } = header;
  if (!format || !FORMATS.has(format) || !width || !height) {
    const formats = [...FORMATS].join(", ");
    throw fail("format", `it is ${format ?? "of an unknown format"}; read are ${formats}`, "Convert it");
  }
  if (width * height > MAX_PIXELS) {
    const why = `it is ${width} x ${height} pixels, at most ${MAX_PIXELS} are decoded`;
    throw fail("too-large", why, "Make the image smaller");
  }
  return {
    height,
    width,
    render: async (size) => {
      try {
        return await open(MAX_PIXELS)
          .toColourspace("srgb")
          .removeAlpha()
          .resize(size.width, size.height, { fit: "fill", kernel: "linear" })
          .raw({ depth: "uchar" })
          .toBuffer();
      } catch (cause) {
        throw fail("broken", reasonOf(cause), "Give a whole image file", cause);
      }
    },
  };
}
