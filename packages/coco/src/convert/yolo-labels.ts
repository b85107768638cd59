// The label files of YOLO: one line an object, `class cx cy w h`, as fractions of the image's sides (Ultralytics' detection format). Pure:
// text to boxes, and results to text. Polygons, key points and rotated boxes are refused.
import { DatasetError, type Size } from "@caddet/core/base";
import type { CocoDataset } from "../dataset/dataset";
import type { CocoResults } from "../results/results";

/** An object of a label file. */
export interface YoloObject {
  /** From 0, a row of the class table. */
  readonly label: number;
  /** `x, y, width, height` in pixels of the image. */
  readonly box: readonly [number, number, number, number];
}

/** What {@link parseYoloLabels} needs to know. */
export interface YoloLabelsOptions {
  /** For error texts. */
  readonly file: string;
  readonly size: Size;
  /** Number of classes. */
  readonly classes: number;
}

// A decimal number, and nothing else that Number() takes, such as "0x1" or "".
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// Fractions are written with few digits, so that a box may stick out by rounding.
const ROUNDING = 1e-4;

function lineFault(fields: readonly string[], classes: number): string | undefined {
  if (fields.length !== 5) return `expected five numbers, class cx cy w h, got ${fields.length} fields`;
  const odd = fields.find((field) => !NUMBER.test(field));
  if (odd !== undefined) return `expected a number, got ${JSON.stringify(odd.slice(0, 40))}`;
  const [label, cx, cy, w, h] = fields.map(Number) as [number, number, number, number, number];
  if (!Number.isInteger(label) || label < 0 || label >= classes) {
    return `expected a class from 0 to ${classes - 1}, got ${fields[0]}`;
  }
  const inside = (value: number) => value >= 0 && value <= 1 + ROUNDING;
  if (![cx, cy, w, h].every(inside)) return `expected fractions from 0 to 1, got ${[cx, cy, w, h].join(" ")}`;
  if (w === 0 || h === 0) return "the box has no width or no height";
  return undefined;
}

/**
 * Reads a label file.
 *
 * @param text its content; empty lines are passed over
 * @param options the image's size in pixels, the number of classes, and the file's name for error texts
 * @returns objects in the file's order; boxes are cut at the image's border
 * @throws DatasetError with file and line at the first line that is not five numbers in range
 * @example parseYoloLabels("0 0.5 0.5 0.25 0.5", { file: "a.txt", size: { height: 40, width: 80 }, classes: 1 }) // box [30, 10, 20, 20]
 */
export function parseYoloLabels(text: string, { file, size, classes }: YoloLabelsOptions): YoloObject[] {
  const objects: YoloObject[] = [];
  text.split(/\r\n|\n|\r/).forEach((line, n) => {
    const fields = line.trim().split(/\s+/);
    if (fields[0] === "") return;
    const fault = lineFault(fields, classes);
    if (fault) throw new DatasetError(`${file}:${n + 1}: ${fault}.`, { file, line: n + 1 });
    const [label, cx, cy, w, h] = fields.map(Number) as [number, number, number, number, number];
    const left = Math.max(0, (cx - w / 2) * size.width);
    const top = Math.max(0, (cy - h / 2) * size.height);
    const right = Math.min(size.width, (cx + w / 2) * size.width);
    const bottom = Math.min(size.height, (cy + h / 2) * size.height);
    if (!(right > left && bottom > top)) {
      throw new DatasetError(`${file}:${n + 1}: the box lies outside its image.`, { file, line: n + 1 });
    }
    objects.push({ label, box: [left, top, right - left, bottom - top] });
  });
  return objects;
}

/** A label file to be written. */
export interface YoloLabelFile {
  /** The image's path with the ending `.txt`, relative to the images' folder. */
  readonly file: string;
  /** A line a detection: `class cx cy w h score`. */
  readonly text: string;
}

/** The label file of an image: its path with the ending `.txt`. */
export function labelFileOf(image: string): string {
  return `${image.replace(/\.[^./\\]*$/, "")}.txt`;
}

const rowsOf = (ids: Float64Array) => new Map(Array.from(ids, (id, row) => [id, row] as const));

/**
 * Brings results into YOLO's form: a label file an image, with the score as the sixth number.
 *
 * @param results detections with COCO's category ids and boxes `x, y, width, height` in source pixels
 * @param dataset gives names and sizes of the images, and the class table; a YOLO class is a row of it
 * @returns one file for each image that has detections, in the data set's order; fractions have eight decimals
 * @throws DatasetError when a detection's image or category is unknown, or two images would share a label file
 * @example for (const { file, text } of resultsToYolo(results, dataset)) console.log(file, text)
 */
export function resultsToYolo(
  { imageIds, categoryIds, boxes, scores }: CocoResults,
  { images, categories }: Pick<CocoDataset, "images" | "categories">,
): YoloLabelFile[] {
  const imageRow = rowsOf(images.ids);
  const classOf = rowsOf(categories.ids);
  const texts = new Map<number, string>();
  for (let n = 0; n < scores.length; n++) {
    const [imageId, categoryId] = [imageIds[n]!, categoryIds[n]!];
    const row = imageRow.get(imageId);
    const label = classOf.get(categoryId);
    if (row === undefined || label === undefined) {
      const what = row === undefined ? `image ${imageId}` : `category ${categoryId}`;
      const message = `Detection ${n} is of ${what}, which the annotations lack. Take the annotations that belong to the results.`;
      throw new DatasetError(message, { entry: n, imageId, categoryId });
    }
    const [x, y, w, h] = boxes.subarray(n * 4, n * 4 + 4) as unknown as [number, number, number, number];
    const [width, height] = [images.widths[row]!, images.heights[row]!];
    const fractions = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height];
    const line = `${label} ${fractions.map((v) => v.toFixed(8)).join(" ")} ${scores[n]!.toFixed(8)}\n`;
    texts.set(row, (texts.get(row) ?? "") + line);
  }
  const imageOf = new Map<string, string>();
  return [...texts.keys()]
    .sort((a, b) => a - b)
    .map((row) => {
      const image = images.fileNames[row]!;
      const file = labelFileOf(image);
      const other = imageOf.get(file);
      if (other !== undefined) {
        throw new DatasetError(`${image} and ${other} would share the label file ${file}. Rename one of them.`, {
          file,
        });
      }
      imageOf.set(file, image);
      return { file, text: texts.get(row)! };
    });
}
