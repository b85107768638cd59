// The three lists of an instances file before their entries are checked against one another: lists may come in any order in the
// file, but images and classes have to be known to judge an annotation. Values of JSON.parse are brought into this form here, bytes in
// instances-bytes.ts.
import { DatasetError } from "@caddet/core/base";
import { isRecord, show } from "../json/json-values";
import { type AnnotationEntry, annotationEntry } from "./annotation-entry";
import { type SegmentationTable, segmentationBuilder } from "./segmentations";

/** A list, or what stands in its place (undefined: nothing). */
export type Section<T> = { readonly list: T } | { readonly instead: unknown };

/** Images as they stand in the file. */
export interface RawImages {
  readonly count: number;
  /** The entry as a value: `id`, `width`, `height` and `file_name`, whatever they are, or no object at all. */
  entry(n: number): unknown;
}

/** What is wrong with an annotation that lacks a field or has the wrong kind of value in one. */
export interface MalformedEntry {
  readonly fault: string;
  /** What stands there as its ids. */
  readonly id: unknown;
  readonly imageId: unknown;
}

/** The fields of annotations, as numbers. */
export interface AnnotationColumns {
  /** `[count]` */
  readonly ids: Float64Array;
  /** `[count]` */
  readonly imageIds: Float64Array;
  /** `[count]` */
  readonly categoryIds: Float64Array;
  /** `[count * 4]` */
  readonly boxes: Float64Array;
  /** `[count]` */
  readonly area: Float64Array;
  /** `[count]` */
  readonly iscrowd: Float64Array;
  /** `[count]` */
  readonly ignore: Float64Array;
}

/** Annotations as they stand in the file. Whoever checks them may change the columns. */
export interface RawAnnotations extends AnnotationColumns {
  readonly count: number;
  /** By row. What the columns hold in such a row means nothing. */
  readonly malformed: ReadonlyMap<number, MalformedEntry>;
  /** Present where it was asked for. */
  readonly segmentations: SegmentationTable | undefined;
}

/** The lists of an instances file. */
export interface RawInstances {
  readonly images: Section<RawImages>;
  readonly annotations: Section<RawAnnotations>;
  /** Entries as values; only `id` and `name` need to be there. */
  readonly categories: Section<readonly unknown[]>;
}

/** The error for a value that is no object. */
export function noInstances(json: unknown, file: string): DatasetError {
  const message = `${file}: expected an object with images, annotations and categories, got ${show(json)}.`;
  return new DatasetError(message, { file });
}

// Writes the fields of an annotation into a row.
function setRow(columns: AnnotationColumns, row: number, entry: AnnotationEntry): void {
  columns.ids[row] = entry.id;
  columns.imageIds[row] = entry.imageId;
  columns.categoryIds[row] = entry.categoryId;
  columns.boxes.set(entry.box, row * 4);
  columns.area[row] = entry.area;
  columns.iscrowd[row] = entry.iscrowd;
  columns.ignore[row] = entry.ignore;
}

/** A malformed annotation's place in error texts. */
export function malformedEntry(raw: unknown, fault: string): MalformedEntry {
  const { id, image_id: imageId } = isRecord(raw) ? raw : {};
  return { fault, id, imageId };
}

// A list made in code may have holes, which callbacks would pass over.
function sectionOf(value: unknown): Section<unknown[]> {
  return Array.isArray(value) ? { list: Array.from(value) } : { instead: value };
}

function annotationsOf(list: readonly unknown[], segmentation: boolean): RawAnnotations {
  const count = list.length;
  const malformed = new Map<number, MalformedEntry>();
  const builder = segmentation ? segmentationBuilder() : undefined;
  const columns = {
    ids: new Float64Array(count),
    imageIds: new Float64Array(count),
    categoryIds: new Float64Array(count),
    boxes: new Float64Array(count * 4),
    area: new Float64Array(count),
    iscrowd: new Float64Array(count),
    ignore: new Float64Array(count),
  };
  list.forEach((raw, row) => {
    const entry = annotationEntry(raw, segmentation);
    if (typeof entry === "string") malformed.set(row, malformedEntry(raw, entry));
    else {
      setRow(columns, row, entry);
      builder?.add(row, (raw as { segmentation?: unknown }).segmentation);
    }
  });
  return { ...columns, count, malformed, segmentations: builder?.finish(count) };
}

/**
 * The lists of a parsed instances file.
 *
 * @param json what `JSON.parse` returned
 * @param options the file's name, and whether segmentations are read
 * @throws DatasetError when it is no object
 */
export function instancesOfJson(json: unknown, options: { file: string; segmentation: boolean }): RawInstances {
  if (!isRecord(json)) throw noInstances(json, options.file);
  const images = sectionOf(json.images);
  const annotations = sectionOf(json.annotations);
  return {
    images: "list" in images ? { list: { count: images.list.length, entry: (n) => images.list[n] } } : images,
    annotations: "list" in annotations ? { list: annotationsOf(annotations.list, options.segmentation) } : annotations,
    categories: sectionOf(json.categories),
  };
}
