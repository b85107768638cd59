// The annotations of an instances file, each held against its image, its class and those before it. Works on columns in place; words
// are made for what is left out alone.

import { cut } from "../json/growing-columns";
import { isId } from "../json/json-values";
import type { AnnotationTable, CategoryTable, SkipReason } from "./dataset";
import type { ParsedImages } from "./image-table";
import type { MalformedEntry, RawAnnotations } from "./raw-instances";
import { takeSegmentations } from "./segmentations";
import type { BadEntryPolicy, SkipCounter } from "./skips";

// Boxes of COCO stick out of their images by rounding, never by a pixel.
const OVERHANG = 1;

/** What annotations are held against. */
export interface AnnotationContext {
  readonly file: string;
  readonly images: ParsedImages;
  readonly categories: CategoryTable;
  readonly policy: BadEntryPolicy;
  readonly skips: SkipCounter;
}

// The ids that occur more than once.
function repeatedIds(ids: Float64Array): Set<number> {
  const sorted = ids.slice().sort();
  const repeated = new Set<number>();
  for (let n = 1; n < sorted.length; n++) if (sorted[n] === sorted[n - 1]) repeated.add(sorted[n]!);
  return repeated;
}

// What a box must be to train on it; `at` is its place in the column.
function boxFault(
  boxes: Float64Array,
  at: number,
  area: number,
  width: number,
  height: number,
): SkipReason | undefined {
  const x = boxes[at]!;
  const y = boxes[at + 1]!;
  const w = boxes[at + 2]!;
  const h = boxes[at + 3]!;
  // Zero unless one of them is not finite.
  if (x * 0 + y * 0 + w * 0 + h * 0 + area * 0 !== 0) return "box-not-finite";
  if (w <= 0 || h <= 0) return "box-empty";
  const inside = x >= -OVERHANG && y >= -OVERHANG && x + w <= width + OVERHANG && y + h <= height + OVERHANG;
  if (!inside || x >= width || y >= height || x + w <= 0 || y + h <= 0) return "box-outside-image";
  return undefined;
}

// Rows of images that are not in the table.
const SKIPPED_IMAGE = -1;
const UNKNOWN_IMAGE = -2;

/** One annotation whose fields are there, and what was found for it. */
interface Candidate {
  readonly raw: RawAnnotations;
  readonly row: number;
  /** Row in the image table, or one of the above. */
  readonly image: number;
  readonly context: AnnotationContext;
}

// The words for a reason.
function explain(reason: SkipReason, { raw, row, image, context }: Candidate): string {
  const { images, categories } = context;
  const box = `the box [${raw.boxes.subarray(row * 4, row * 4 + 4).join(", ")}]`;
  switch (reason) {
    case "unknown-image":
      return 'no image has that id. Add it to "images" or remove the annotation';
    case "annotation-of-skipped-image":
      return "the image was left out";
    case "unknown-category":
      return `category ${raw.categoryIds[row]} is not in the table of ${categories.ids.length} categories`;
    case "annotation-id-duplicate":
      return `another annotation has the id ${raw.ids[row]}. Give each its own`;
    case "box-not-finite":
      return `${box} (area ${raw.area[row]}) is not finite`;
    case "box-empty":
      return `${box} has no width or no height`;
    default:
      return `${box} lies outside its ${images.table.widths[image]} × ${images.table.heights[image]} image`;
  }
}

function skipMalformed({ fault, id, imageId }: MalformedEntry, row: number, { file, skips }: AnnotationContext): void {
  const which = isId(id) ? `annotation ${id}` : `annotation number ${row}`;
  const message = `${file}: ${which}${isId(imageId) ? ` of image ${imageId}` : ""} ${fault}.`;
  skips.skip("annotation-malformed", message, { file, imageId, annotationId: id, entry: row });
}

function skipCandidate(reason: SkipReason, candidate: Candidate): void {
  const { raw, row, context } = candidate;
  const annotationId = raw.ids[row]!;
  const imageId = raw.imageIds[row]!;
  const message = `${context.file}: annotation ${annotationId} of image ${imageId}: ${explain(reason, candidate)}.`;
  context.skips.skip(reason, message, {
    file: context.file,
    imageId,
    annotationId,
    categoryId: raw.categoryIds[row]!,
    box: Array.from(raw.boxes.subarray(row * 4, row * 4 + 4)),
  });
}

/**
 * Checks the entries of "annotations".
 *
 * @param raw the entries; their columns become those of the table
 * @param context what they are held against, and who hears of those that are left out
 */
export function parseAnnotationRows(raw: RawAnnotations, context: AnnotationContext): AnnotationTable {
  const { count, ids, boxes, area } = raw;
  const { images, policy } = context;
  const { widths, heights } = images.table;
  const rowOfCategory = new Map(Array.from(context.categories.ids, (id, row) => [id, row] as const));
  const imageIndex = new Int32Array(count);
  const categoryIndex = new Int32Array(count);
  const iscrowd = new Uint8Array(count);
  const ignore = new Uint8Array(count);
  const kept = new Int32Array(raw.segmentations ? count : 0);
  // Ids that come again are looked for among the annotations that were taken, and only those can be such.
  const repeated = policy === "keep" ? new Set<number>() : repeatedIds(ids);
  const seen = new Set<number>();

  function reasonAt(row: number, image: number, category: number | undefined): SkipReason | undefined {
    if (image === UNKNOWN_IMAGE) return "unknown-image";
    if (image === SKIPPED_IMAGE) return "annotation-of-skipped-image";
    if (category === undefined) return "unknown-category";
    if (repeated.size > 0 && seen.has(ids[row]!)) return "annotation-id-duplicate";
    const fault = boxFault(boxes, row * 4, area[row]!, widths[image]!, heights[image]!);
    return policy === "keep" && fault !== "box-not-finite" ? undefined : fault;
  }

  let n = 0;
  for (let row = 0; row < count; row++) {
    const malformed = raw.malformed.size > 0 ? raw.malformed.get(row) : undefined;
    if (malformed) {
      skipMalformed(malformed, row, context);
      continue;
    }
    const image = images.rowOfId.get(raw.imageIds[row]!) ?? UNKNOWN_IMAGE;
    const category = rowOfCategory.get(raw.categoryIds[row]!);
    const reason = reasonAt(row, image, category);
    if (reason) {
      skipCandidate(reason, { raw, row, image, context });
      continue;
    }
    if (repeated.size > 0 && repeated.has(ids[row]!)) seen.add(ids[row]!);
    imageIndex[n] = image;
    categoryIndex[n] = category!;
    iscrowd[n] = raw.iscrowd[row]!;
    ignore[n] = raw.ignore[row]!;
    if (raw.segmentations) kept[n] = row;
    // In place: row n is never behind the row that is read.
    ids[n] = ids[row]!;
    area[n] = area[row]!;
    for (let i = 0; i < 4; i++) boxes[n * 4 + i] = boxes[row * 4 + i]!;
    n++;
  }
  return {
    ids: cut(ids, n),
    imageIndex: cut(imageIndex, n),
    categoryIndex: cut(categoryIndex, n),
    boxes: cut(boxes, n * 4),
    area: cut(area, n),
    iscrowd: cut(iscrowd, n),
    ignore: cut(ignore, n),
    ...(raw.segmentations && { segmentations: takeSegmentations(raw.segmentations, kept.subarray(0, n)) }),
  };
}
