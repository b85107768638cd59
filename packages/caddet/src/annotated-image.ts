// An image with annotated and detected boxes burnt in, as a JPEG. Boxes and detections' names are drawn by @caddet/viz as SVG over the
// image; names of annotated boxes are added here, since a picture has no tooltips.
import type { Detections, GroundTruth } from "@caddet/core/base";
import { DatasetError, type Size } from "@caddet/core/base";
import { detectionsSvg, escapeXml } from "@caddet/viz";
import sharp, { type Sharp } from "sharp";

/** What is drawn on an image. */
export interface Drawing {
  /** The size that the boxes are meant for; the image must have it. */
  readonly size: Size;
  readonly truth?: Pick<GroundTruth, "boxes" | "labels">;
  /** Boxes `x1, y1, x2, y2` in pixels of the image. */
  readonly found?: Detections | undefined;
  readonly classNames: readonly string[];
  /** Detections below are not drawn. */
  readonly minScore: number;
}

/** 8-bit RGB of the drawing's size, in place of a file. */
export interface Pixels {
  /** `[height * width * 3]`. */
  readonly rgb: Uint8Array;
}

// One transparent pixel: the image itself lies below the figure.
const CLEAR =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAADUlEQVQI12NgYGBgAAAABQABXvMqOgAAAABJRU5ErkJggg==";
const QUALITY = 92;
// Smaller images are enlarged: names of less than 10 pixels' height cannot be read.
const LEAST_SIDE = 400;
const MAX_PIXELS = 100_000_000;
const NO_TRUTH = { boxes: new Float32Array(0), labels: new Int32Array(0) };

// The names at the lower left corners of annotated boxes, white with a dark rim; names of detections stand at the upper ones.
function truthNames({
  size: { width, height },
  truth,
  classNames,
}: Pick<Drawing, "size" | "classNames"> & Required<Pick<Drawing, "truth">>): string {
  const letter = Math.max(width, height) / 42;
  const look = `font-family="sans-serif" font-size="${letter}" fill="#fff" stroke="#000" stroke-width="${letter / 5}" paint-order="stroke" stroke-linejoin="round"`;
  const names = Array.from(truth.labels, (label, n) => {
    const [x, bottom] = [truth.boxes[n * 4]!, truth.boxes[n * 4 + 3]!];
    const left = Math.max(0, Math.min(x, width - letter)) + letter / 4;
    const base = Math.max(letter, Math.min(bottom, height) - letter / 3);
    return `<text x="${left}" y="${base}">${escapeXml(classNames[label] ?? `class ${label}`)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${look}>${names.join("")}</svg>`;
}

// The figure's layers for an image that is enlarged by a whole number.
function layers({ size, truth = NO_TRUTH, found, classNames, minScore }: Drawing, factor: number): string[] {
  const enlarged = { width: size.width * factor, height: size.height * factor };
  const scaled = (boxes: Float32Array) => boxes.map((v) => v * factor);
  const truths = { boxes: scaled(truth.boxes), labels: truth.labels };
  const figure = detectionsSvg({
    ...enlarged,
    imageHref: CLEAR,
    boxes: scaled(found?.boxes ?? new Float32Array(0)),
    labels: found?.labels ?? [],
    scores: found?.scores ?? [],
    truths,
    classNames,
    minScore,
  });
  return truth.labels.length > 0 ? [figure, truthNames({ size: enlarged, truth: truths, classNames })] : [figure];
}

async function openChecked(image: Uint8Array | Pixels, size: Size): Promise<Sharp> {
  if ("rgb" in image) return sharp(image.rgb, { raw: { width: size.width, height: size.height, channels: 3 } });
  const opened = sharp(image, { failOn: "error", limitInputPixels: MAX_PIXELS });
  const { width, height } = await opened.metadata();
  if (width === size.width && height === size.height) return opened;
  const message = `is ${width} × ${height}, the annotations say ${size.width} × ${size.height}.`;
  throw new DatasetError(message, { width, height });
}

/**
 * Draws on an image: annotated boxes white and dotted with their names at the bottom, detections in colours with names and scores on top.
 *
 * @param image the image's file, or pixels of the drawing's size
 * @param drawing size, boxes in pixels of the image, class names, smallest score
 * @returns a JPEG of the image's size, or of a whole multiple so that the longer side has 400 pixels at least; EXIF orientation is
 *   not applied, as COCO's boxes do not know it
 * @throws DatasetError when the image is broken or of another size
 */
export async function annotatedImage(image: Uint8Array | Pixels, drawing: Drawing): Promise<Buffer> {
  const { width, height } = drawing.size;
  const factor = Math.max(1, Math.ceil(LEAST_SIDE / Math.max(width, height)));
  try {
    const opened = await openChecked(image, drawing.size);
    if (factor > 1) opened.resize(width * factor, height * factor, { fit: "fill", kernel: "nearest" });
    return await opened
      .toColourspace("srgb")
      .flatten({ background: "#fff" })
      .composite(layers(drawing, factor).map((svg) => ({ input: Buffer.from(svg), unlimited: true })))
      .jpeg({ quality: QUALITY })
      .toBuffer();
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new DatasetError(`is broken (${reason}).`, {}, { cause });
  }
}
