// Reads an instances file from its bytes (https://cocodataset.org/#format-data): fields that are needed go straight into columns, all
// others are passed over, polygons too unless they are asked for. Judging the entries is annotations.ts's part.

import type { ByteSource } from "../json/byte-source";
import {
  type ByteWindow,
  END,
  expectByte,
  openWindow,
  peek,
  syntaxError,
  type WindowOptions,
} from "../json/byte-window";
import { columnOf, type EntryTable, entryOf, entryTable, readEntry } from "../json/entry-table";
import { keyTable, readKey, readString } from "../json/json-text";
import { expectEnd, readList, readObject, readOutline, skipValue } from "../json/json-value";
import { annotationEntry } from "./annotation-entry";
import {
  type MalformedEntry,
  malformedEntry,
  noInstances,
  type RawAnnotations,
  type RawImages,
  type RawInstances,
} from "./raw-instances";
import { segmentationBuilder } from "./segmentations";

const IMAGE_FIELDS = { id: "number", width: "number", height: "number", file_name: "text" } as const;
const ALL_IMAGE_FIELDS = 0b1111;

function readImages(w: ByteWindow): RawImages {
  const table = entryTable(IMAGE_FIELDS);
  // Entries that lack a field, by row.
  const odd = new Map<number, unknown>();
  readList(w, () => {
    readEntry(w, table);
    if (table.fields !== ALL_IMAGE_FIELDS) odd.set(table.count - 1, entryOf(table, table.count - 1));
  });
  const ids = columnOf(table, "id");
  const widths = columnOf(table, "width");
  const heights = columnOf(table, "height");
  return {
    count: table.count,
    entry(n) {
      if (odd.has(n)) return odd.get(n);
      return { id: ids[n], width: widths[n], height: heights[n], file_name: table.texts[n] };
    },
  };
}

const ANNOTATION_FIELDS = {
  segmentation: "list",
  area: "number",
  iscrowd: "flag",
  image_id: "number",
  bbox: "box",
  category_id: "number",
  id: "number",
  ignore: "flag",
} as const;
// All but the segmentation, iscrowd and ignore.
const NEEDED_FIELDS = 0b01111010;

function isPlain(table: EntryTable, row: number): boolean {
  const [, , iscrowd, images, , categories, ids, ignore] = table.columns;
  const crowd = iscrowd![row]!;
  const ignored = ignore![row]!;
  return (
    (table.fields & NEEDED_FIELDS) === NEEDED_FIELDS &&
    (table.odd === undefined || table.odd.size === 0) &&
    Number.isSafeInteger(ids![row]) &&
    Number.isSafeInteger(images![row]) &&
    Number.isSafeInteger(categories![row]) &&
    (crowd === 0 || crowd === 1) &&
    (ignored === 0 || ignored === 1)
  );
}

function columnsOf(table: EntryTable) {
  return {
    ids: columnOf(table, "id"),
    imageIds: columnOf(table, "image_id"),
    categoryIds: columnOf(table, "category_id"),
    boxes: columnOf(table, "bbox"),
    area: columnOf(table, "area"),
    iscrowd: columnOf(table, "iscrowd"),
    ignore: columnOf(table, "ignore"),
  };
}

function readAnnotations(w: ByteWindow, segmentation: boolean): RawAnnotations {
  const builder = segmentation ? segmentationBuilder() : undefined;
  const list = builder && ((window: ByteWindow, row: number) => builder.read(row, window));
  const table = entryTable(ANNOTATION_FIELDS, { list });
  const malformed = new Map<number, MalformedEntry>();
  readList(w, () => {
    const row = table.count;
    readEntry(w, table);
    if (isPlain(table, row)) return;
    const raw = entryOf(table, row);
    const entry = annotationEntry(raw, segmentation);
    if (typeof entry === "string") malformed.set(row, malformedEntry(raw, entry));
  });
  return { ...columnsOf(table), count: table.count, malformed, segmentations: builder?.finish(table.count) };
}

// Keys that nobody needs are kept for the error texts, without their values.
function readCategory(w: ByteWindow): unknown {
  if (peek(w) !== 123) return readOutline(w);
  const fields = new Map<string, unknown>();
  readObject(w, () => {
    const key = readString(w);
    expectByte(w, 58, "a colon");
    if (key === "id" || key === "name") fields.set(key, readOutline(w));
    else {
      fields.set(key, undefined);
      skipValue(w);
    }
  });
  return Object.fromEntries(fields);
}

function readCategories(w: ByteWindow): unknown[] {
  const list: unknown[] = [];
  readList(w, () => {
    list.push(readCategory(w));
  });
  return list;
}

/** Options of {@link readInstances}. */
export interface ReadInstancesOptions extends WindowOptions {
  /** Whether polygons are read. */
  readonly segmentation: boolean;
}

/**
 * Reads the lists of an instances file.
 *
 * @param source gives the file's bytes
 * @param options its name, and whether segmentations are read
 * @returns the lists, unchecked; of a list that comes twice the last, as with `JSON.parse`
 * @throws DatasetError where the text is no JSON, and when it is no object
 */
export function readInstances(source: ByteSource, options: ReadInstancesOptions): RawInstances {
  const w = openWindow(source, options);
  const start = peek(w);
  if (start !== 123) throw start === END ? syntaxError(w, "an object") : noInstances(readOutline(w), options.file);
  const sections: { -readonly [K in keyof RawInstances]: RawInstances[K] } = {
    images: { instead: undefined },
    annotations: { instead: undefined },
    categories: { instead: undefined },
  };
  const keys = keyTable(["images", "annotations", "categories"]);
  readObject(w, () => {
    const name = keys.names[readKey(w, keys)] as keyof RawInstances | undefined;
    if (name === undefined) skipValue(w);
    else if (peek(w) !== 91) sections[name] = { instead: readOutline(w) };
    else if (name === "images") sections.images = { list: readImages(w) };
    else if (name === "annotations") sections.annotations = { list: readAnnotations(w, options.segmentation) };
    else sections.categories = { list: readCategories(w) };
  });
  expectEnd(w);
  return sections;
}
