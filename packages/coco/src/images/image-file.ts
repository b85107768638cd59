// Reads image files and turns them into 8-bit RGB, resized where asked, with sharp (loaded at the first image). EXIF
// orientation is not applied, as COCO's boxes do not know it; grey, alpha, CMYK and 16-bit images become RGB. Needs
// Node.
import { readFile, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import {
  DatasetError,
  type ErrorDetails,
  type ResizedSize,
  resizedSize,
  type Size,
  type TargetSize,
} from "@caddet/core/base";
import { jpegSize } from "./jpeg-size";
import { loadSharp } from "./sharp-module";

export { prepareSharp } from "./sharp-module";

/** What can be wrong with an image file. */
export type ImageFault =
  | "missing-file"
  | "outside-folder"
  | "empty-file"
  | "file-too-large"
  | "unsupported-format"
  | "undecodable"
  | "size-mismatch";

/** An image file cannot be used. */
export class ImageFileError extends DatasetError {
  readonly reason: ImageFault;

  constructor(reason: ImageFault, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, { ...details, reason }, options);
    this.reason = reason;
  }
}

// COCO's largest file has less than 1 MB; both bounds keep a hostile file from taking the memory.
const MAX_BYTES = 200_000_000;
const MAX_PIXELS = 100_000_000;
// Formats that hold pixels; SVG and PDF would run a renderer on foreign input.
const FORMATS: ReadonlySet<string> = new Set(["jpeg", "png", "webp", "tiff", "gif"]);

/**
 * Reads an image file inside a folder.
 *
 * @param folder the images' folder; must be a real path
 * @param name path within it
 * @throws ImageFileError when it is missing, empty, too large or, through a link, elsewhere
 */
export async function readImageInside(folder: string, name: string): Promise<Buffer> {
  const file = join(folder, name);
  let path: string;
  try {
    path = await realpath(file);
  } catch (cause) {
    throw new ImageFileError("missing-file", `${file}: no such image file. Check the folder.`, { file }, { cause });
  }
  const root = folder.endsWith(sep) ? folder : folder + sep;
  if (!path.startsWith(root)) {
    throw new ImageFileError("outside-folder", `${file}: leads out of ${folder}. Put the image itself there.`, {
      file,
    });
  }
  return readImageFile(path);
}

/**
 * Reads an image file.
 *
 * @param file its path
 * @throws ImageFileError when it is missing, no plain file, empty or too large
 */
export async function readImageFile(file: string): Promise<Buffer> {
  try {
    const found = await stat(file);
    if (!found.isFile()) {
      throw new ImageFileError("unsupported-format", `${file}: is no plain file. Name an image file.`, { file });
    }
    if (found.size === 0) throw new ImageFileError("empty-file", `${file}: has no bytes. Get it again.`, { file });
    if (found.size > MAX_BYTES) {
      const message = `${file}: has ${found.size} bytes, at most ${MAX_BYTES} are read. Shrink the image.`;
      throw new ImageFileError("file-too-large", message, { file });
    }
    return await readFile(file);
  } catch (cause) {
    if (cause instanceof ImageFileError) throw cause;
    throw new ImageFileError("missing-file", `${file}: cannot be read. Check path and rights.`, { file }, { cause });
  }
}

/** A resized image. */
export interface DecodedImage {
  /** `[height * width * 3]` */
  readonly rgb: Uint8Array;
  readonly size: ResizedSize;
  /** The image's own size. */
  readonly source: Size;
}

/** What {@link decodeImage} needs to know. */
export interface DecodeOptions {
  /** For error texts. */
  readonly file: string;
  /** Bounds to resize to, pixels; absent: the image keeps its size. */
  readonly target?: TargetSize;
  /** The size that the annotations claim; checked where given. */
  readonly expected?: Size;
}

/**
 * Decodes an image and, where a target is given, resizes it by the rule of `resizedSize`, bilinearly.
 *
 * @param bytes the whole file
 * @param options target, and the size to expect
 * @throws ImageFileError when the bytes are empty, cut, of another format or of another size than expected
 */
export async function decodeImage(bytes: Uint8Array, { file, target, expected }: DecodeOptions): Promise<DecodedImage> {
  if (bytes.byteLength === 0) throw new ImageFileError("empty-file", `${file}: has no bytes. Get it again.`, { file });
  const sharp = await loadSharp();
  const source = jpegSize(bytes) ?? (await readSize(bytes, file));
  requireFewPixels(source, file);
  if (expected && (expected.width !== source.width || expected.height !== source.height)) {
    const message = `${file}: is ${source.width} × ${source.height}, the annotations say ${expected.width} × ${expected.height}. Boxes would not fit; get the right file.`;
    throw new ImageFileError("size-mismatch", message, { file, source, expected });
  }
  const size = target ? resizedSize(source, target) : { ...source, scaleX: 1, scaleY: 1 };
  try {
    const image = sharp(bytes, { failOn: "error", limitInputPixels: MAX_PIXELS }).toColourspace("srgb").removeAlpha();
    if (target) image.resize(size.width, size.height, { fit: "fill", kernel: "linear" });
    const rgb = await image.raw({ depth: "uchar" }).toBuffer();
    return { rgb, size, source };
  } catch (cause) {
    throw new ImageFileError(
      "undecodable",
      `${file}: is broken (${reasonOf(cause)}). Get it again.`,
      { file },
      { cause },
    );
  }
}

/**
 * Reads an image's size from its header.
 *
 * @param bytes the whole file
 * @param file for error texts
 * @returns pixels, as stored: EXIF orientation is not applied
 * @throws ImageFileError when it is no image, or of a format that is not read
 */
export async function readSize(bytes: Uint8Array, file: string): Promise<Size> {
  let header: { readonly format?: string; readonly width?: number; readonly height?: number };
  const sharp = await loadSharp();
  try {
    // The header alone is read, whatever it claims; decodeImage bounds the pixels.
    header = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    throw new ImageFileError(
      "undecodable",
      `${file}: is no image that can be read (${reasonOf(cause)}).`,
      { file },
      { cause },
    );
  }
  const { format, width, height } = header;
  if (!format || !FORMATS.has(format) || !width || !height) {
    const message = `${file}: is ${format ?? "of an unknown format"}; read are ${[...FORMATS].join(", ")}.`;
    throw new ImageFileError("unsupported-format", message, { file });
  }
  return { width, height };
}

function requireFewPixels({ width, height }: Size, file: string): void {
  if (width * height <= MAX_PIXELS) return;
  const message = `${file}: is ${width} × ${height} pixels, at most ${MAX_PIXELS} are decoded. Shrink the image.`;
  throw new ImageFileError("file-too-large", message, { file, width, height });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.trim() : String(cause);
}
