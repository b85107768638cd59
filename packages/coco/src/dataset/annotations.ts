// Turns a COCO instances file into columns and checks every entry on the way (https://cocodataset.org/#format-data): bytes without
// an object an entry, or a value that is already parsed, with one set of checks. Opening files is ./node's business. Key points are not read.
import { DatasetError } from "@caddet/core/base";
import { byteSource } from "../json/byte-source";
import { show } from "../json/json-values";
import { parseAnnotationRows } from "./annotation-table";
import { parseCategories } from "./category-table";
import type { CocoDataset } from "./dataset";
import { parseImages } from "./image-table";
import { readInstances } from "./instances-bytes";
import { instancesOfJson, type RawInstances, type Section } from "./raw-instances";
import { type BadEntryPolicy, type SkippedEntry, skipCounter } from "./skips";

/** Options of {@link parseAnnotations}. */
export interface ParseAnnotationsOptions {
  /** The file's name, for error texts. */
  readonly file: string;
  /**
   * What a bad image or annotation does. "error" (default) throws at the first one. "skip" leaves it out and counts it.
   * "keep" is for evaluation: degenerate boxes and repeated annotation ids stay, as pycocotools has them; the rest is skipped.
   */
  readonly onBadEntry?: BadEntryPolicy;
  /** Called for each entry that is left out. */
  readonly onSkip?: (entry: SkippedEntry) => void;
  /** Whether polygons are read, too: about as much memory again as they have numbers. Default false. */
  readonly segmentation?: boolean;
}

function listOf<T>(section: Section<T>, key: string, file: string): T {
  if ("list" in section) return section.list;
  const message = `${file}: expected a list under "${key}", got ${show(section.instead)}. This is no COCO instances file.`;
  throw new DatasetError(message, { file, key });
}

/**
 * Checks the lists of an instances file against one another.
 *
 * @param raw the lists; its columns become those of the data set
 * @param options as for {@link parseAnnotations}
 */
export function checkInstances(raw: RawInstances, options: ParseAnnotationsOptions): CocoDataset {
  const { file, onBadEntry: policy = "error", onSkip } = options;
  const categories = parseCategories(listOf(raw.categories, "categories", file), file);
  const skips = skipCounter(policy, onSkip);
  const images = parseImages(listOf(raw.images, "images", file), file, skips);
  const context = { file, images, categories, policy, skips };
  const annotations = parseAnnotationRows(listOf(raw.annotations, "annotations", file), context);
  return { file, images: images.table, annotations, categories, skipped: skips.counts() };
}

/**
 * Parses and checks the content of a COCO instances file.
 *
 * @param json the file's bytes (UTF-8), which is far faster, or what `JSON.parse` returned
 * @param options the file's name and what a bad entry does (default "error")
 * @returns images, annotations and categories as columns, and what was left out, counted by reason
 * @throws DatasetError with file, image id and annotation id: always when the file's structure or its class table is broken,
 *   and for any bad entry under the policy "error"; with the byte where bytes are no JSON
 * @example parseAnnotations(new Uint8Array(await response.arrayBuffer()), { file: "instances_val.json" }).images.ids.length
 */
export function parseAnnotations(json: unknown, options: ParseAnnotationsOptions): CocoDataset {
  const { file, segmentation = false } = options;
  const bytes = json instanceof Uint8Array;
  const raw = bytes
    ? readInstances(byteSource(json), { file, segmentation })
    : instancesOfJson(json, { file, segmentation });
  return checkInstances(raw, options);
}
