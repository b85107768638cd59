// Turns the JSON of a COCO instances file into columns and checks every entry on the way (https://cocodataset.org/#format-data).
// It takes a value that is already parsed: reading files is ./node's business. Segmentations and key points are not read.
import { DatasetError } from "@caddet/core/base";
import type { AnnotationTable, CategoryTable, CocoDataset, ImageTable, SkipReason } from "./dataset";
import { isBox, isId, isRecord, show } from "./json-values";
import { type BadEntryPolicy, type SkipCounter, skipCounter } from "./skips";

/** Options of {@link parseAnnotations}. */
export interface ParseAnnotationsOptions {
  /** The file's name, for error texts. */
  readonly file: string;
  /**
   * What a bad image or annotation does. "error" (default) throws at the first one. "skip" leaves it out and counts it.
   * "keep" is for evaluation: degenerate boxes and repeated annotation ids stay, as pycocotools has them; the rest is skipped.
   */
  readonly onBadEntry?: BadEntryPolicy;
}

// JPEG's own limit; a size beyond it is a broken file and would ask for absurd memory.
const MAX_SIDE = 65_535;
// Boxes of COCO stick out of their images by rounding, never by a pixel.
const OVERHANG = 1;

function listOf(json: Record<string, unknown>, key: string, file: string): unknown[] {
  const value = json[key];
  if (!Array.isArray(value)) {
    throw new DatasetError(
      `${file}: expected a list under "${key}", got ${show(value)}. This is no COCO instances file.`,
      { file, key },
    );
  }
  return Array.from(value); // a list made in code may have holes, which callbacks would pass over
}

function parseCategories(list: readonly unknown[], file: string): CategoryTable {
  const rows = list.map((entry, n) => {
    if (!isRecord(entry) || !isId(entry.id) || typeof entry.name !== "string") {
      throw new DatasetError(`${file}: category ${n} needs an integer "id" and a "name", got ${show(entry)}.`, {
        file,
      });
    }
    return { id: entry.id, name: entry.name };
  });
  rows.sort((a, b) => a.id - b.id);
  rows.forEach(({ id }, n) => {
    if (n > 0 && rows[n - 1]!.id === id) {
      throw new DatasetError(`${file}: two categories have the id ${id}. Give each class its own.`, {
        file,
        categoryId: id,
      });
    }
  });
  return { ids: Float64Array.from(rows, (r) => r.id), names: rows.map((r) => r.name) };
}

function isSafePath(name: string): boolean {
  if (name === "" || name.includes("\0") || /^[\\/]|^[A-Za-z]:/.test(name)) return false;
  return !name.split(/[\\/]/).includes("..");
}

interface ParsedImages {
  readonly table: ImageTable;
  /** Row of each image id; -1 for an image that was left out. */
  readonly rowOfId: ReadonlyMap<number, number>;
}

function parseImages(list: readonly unknown[], file: string, skips: SkipCounter): ParsedImages {
  const ids: number[] = [];
  const widths: number[] = [];
  const heights: number[] = [];
  const fileNames: string[] = [];
  const rowOfId = new Map<number, number>();
  list.forEach((entry, n) => {
    if (!isRecord(entry) || !isId(entry.id)) {
      skips.skip("image-malformed", `${file}: image ${n} needs an integer "id", got ${show(entry)}.`, {
        file,
        entry: n,
      });
      return;
    }
    const { id, width, height, file_name: name } = entry;
    const details = { file, imageId: id };
    if (rowOfId.has(id)) {
      skips.skip("image-id-duplicate", `${file}: two images have the id ${id}. Give each image its own.`, details);
      return;
    }
    rowOfId.set(id, -1);
    if (typeof name !== "string") {
      const message = `${file}: image ${id} needs a "file_name", got ${show(name)}.`;
      skips.skip("image-malformed", message, details);
    } else if (!isSafePath(name)) {
      const message = `${file}: the "file_name" of image ${id}, ${show(name)}, leaves the folder of the images. Use a path inside it.`;
      skips.skip("file-name-unsafe", message, details);
    } else if (!isSide(width) || !isSide(height)) {
      const message = `${file}: image ${id} needs "width" and "height" from 1 to ${MAX_SIDE}, got ${show(width)} × ${show(height)}.`;
      skips.skip("image-size", message, details);
    } else {
      rowOfId.set(id, ids.length);
      ids.push(id);
      widths.push(width);
      heights.push(height);
      fileNames.push(name);
    }
  });
  const table = {
    ids: Float64Array.from(ids),
    widths: Int32Array.from(widths),
    heights: Int32Array.from(heights),
    fileNames,
  };
  return { table, rowOfId };
}

function isSide(value: unknown): value is number {
  return isId(value) && value >= 1 && value <= MAX_SIDE;
}

function isFlag(value: unknown): value is 0 | 1 | boolean | undefined {
  return value === undefined || value === 0 || value === 1 || typeof value === "boolean";
}

interface ParsedEntry {
  readonly id: number;
  readonly imageId: number;
  readonly categoryId: number;
  readonly box: readonly [number, number, number, number];
  readonly area: number;
  readonly iscrowd: number;
  readonly ignore: number;
}

// The fields of one annotation, or what is wrong with them.
function readEntry(entry: unknown): ParsedEntry | string {
  if (!isRecord(entry)) return `must be an object, got ${show(entry)}`;
  const { id, image_id: imageId, category_id: categoryId, bbox, area, iscrowd, ignore } = entry;
  if (!isId(id)) return `needs an integer "id", got ${show(id)}`;
  if (!isId(imageId)) return `needs an integer "image_id", got ${show(imageId)}`;
  if (!isId(categoryId)) return `needs an integer "category_id", got ${show(categoryId)}`;
  if (!isBox(bbox)) return `needs a "bbox" of four numbers [x, y, width, height], got ${show(bbox)}`;
  if (typeof area !== "number") return `needs a number "area", got ${show(area)}`;
  if (!isFlag(iscrowd)) return `needs an "iscrowd" of 0 or 1, got ${show(iscrowd)}`;
  if (!isFlag(ignore)) return `needs an "ignore" of 0 or 1, got ${show(ignore)}`;
  return { id, imageId, categoryId, box: bbox, area, iscrowd: Number(iscrowd ?? 0), ignore: Number(ignore ?? 0) };
}

/** A reason and its explanation. */
type Fault = readonly [SkipReason, string];

// What a box must be to train on it.
function boxFault({ box, area }: ParsedEntry, width: number, height: number): Fault | undefined {
  const [x, y, w, h] = box;
  if (![x, y, w, h, area].every(Number.isFinite)) {
    return ["box-not-finite", `the box [${box.join(", ")}] (area ${area}) is not finite`];
  }
  if (w <= 0 || h <= 0) return ["box-empty", `the box [${box.join(", ")}] has no width or no height`];
  const inside = x >= -OVERHANG && y >= -OVERHANG && x + w <= width + OVERHANG && y + h <= height + OVERHANG;
  if (!inside || x >= width || y >= height || x + w <= 0 || y + h <= 0) {
    return ["box-outside-image", `the box [${box.join(", ")}] lies outside its ${width} × ${height} image`];
  }
  return undefined;
}

interface Tables {
  readonly images: ParsedImages;
  readonly rowOfCategory: ReadonlyMap<number, number>;
  /** Annotation ids so far. */
  readonly seen: Set<number>;
  readonly policy: BadEntryPolicy;
}

// What is wrong with an annotation whose fields are there.
function entryFault(entry: ParsedEntry, { images, rowOfCategory, seen, policy }: Tables): Fault | undefined {
  const { id, imageId, categoryId } = entry;
  const image = images.rowOfId.get(imageId);
  if (image === undefined) {
    return ["unknown-image", 'no image has that id. Add it to "images" or remove the annotation'];
  }
  if (image < 0) return ["annotation-of-skipped-image", "the image was left out"];
  if (!rowOfCategory.has(categoryId)) {
    return ["unknown-category", `category ${categoryId} is not in the table of ${rowOfCategory.size} categories`];
  }
  if (seen.has(id) && policy !== "keep") {
    return ["annotation-id-duplicate", `another annotation has the id ${id}. Give each its own`];
  }
  const fault = boxFault(entry, images.table.widths[image]!, images.table.heights[image]!);
  return fault && (policy !== "keep" || fault[0] === "box-not-finite") ? fault : undefined;
}

function parseEntries(list: readonly unknown[], file: string, skips: SkipCounter, tables: Tables): AnnotationTable {
  const ids = new Float64Array(list.length);
  const imageIndex = new Int32Array(list.length);
  const categoryIndex = new Int32Array(list.length);
  const boxes = new Float64Array(list.length * 4);
  const area = new Float64Array(list.length);
  const iscrowd = new Uint8Array(list.length);
  const ignore = new Uint8Array(list.length);
  let n = 0;
  list.forEach((raw, position) => {
    const entry = readEntry(raw);
    if (typeof entry === "string") {
      const { id, image_id: imageId } = isRecord(raw) ? raw : {};
      const which = isId(id) ? `annotation ${id}` : `annotation number ${position}`;
      const message = `${file}: ${which}${isId(imageId) ? ` of image ${imageId}` : ""} ${entry}.`;
      skips.skip("annotation-malformed", message, { file, imageId, annotationId: id, entry: position });
      return;
    }
    const { id, imageId, categoryId } = entry;
    const fault = entryFault(entry, tables);
    if (fault) {
      const message = `${file}: annotation ${id} of image ${imageId}: ${fault[1]}.`;
      skips.skip(fault[0], message, { file, imageId, annotationId: id, categoryId, box: entry.box });
      return;
    }
    tables.seen.add(id);
    ids[n] = id;
    imageIndex[n] = tables.images.rowOfId.get(imageId)!;
    categoryIndex[n] = tables.rowOfCategory.get(categoryId)!;
    boxes.set(entry.box, n * 4);
    area[n] = entry.area;
    iscrowd[n] = entry.iscrowd;
    ignore[n] = entry.ignore;
    n++;
  });
  return {
    ids: ids.slice(0, n),
    imageIndex: imageIndex.slice(0, n),
    categoryIndex: categoryIndex.slice(0, n),
    boxes: boxes.slice(0, n * 4),
    area: area.slice(0, n),
    iscrowd: iscrowd.slice(0, n),
    ignore: ignore.slice(0, n),
  };
}

/**
 * Parses and checks the content of a COCO instances file.
 *
 * @param json what `JSON.parse` returned
 * @param options the file's name and what a bad entry does (default "error")
 * @returns images, annotations and categories as columns, and what was left out, counted by reason
 * @throws DatasetError with file, image id and annotation id: always when the file's structure or its class table is broken,
 *   and for any bad entry under the policy "error"
 * @example parseAnnotations(JSON.parse(text), { file: "instances_val.json" }).images.ids.length
 */
export function parseAnnotations(json: unknown, { file, onBadEntry = "error" }: ParseAnnotationsOptions): CocoDataset {
  if (!isRecord(json)) {
    throw new DatasetError(`${file}: expected an object with images, annotations and categories, got ${show(json)}.`, {
      file,
    });
  }
  const categories = parseCategories(listOf(json, "categories", file), file);
  const skips = skipCounter(onBadEntry);
  const images = parseImages(listOf(json, "images", file), file, skips);
  const annotations = parseEntries(listOf(json, "annotations", file), file, skips, {
    images,
    rowOfCategory: new Map(Array.from(categories.ids, (id, row) => [id, row] as const)),
    seen: new Set(),
    policy: onBadEntry,
  });
  return { file, images: images.table, annotations, categories, skipped: skips.counts() };
}
