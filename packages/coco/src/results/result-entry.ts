// What an entry of a results file has to be. Readers of values and of bytes both come here for the verdict and its words.
import { DatasetError } from "@caddet/core/base";
import { isBox, isId, isRecord, show } from "../json/json-values";
import type { CocoResult } from "./results";

function readResult(entry: unknown): CocoResult | string {
  if (!isRecord(entry)) return `must be an object, got ${show(entry)}`;
  const { image_id: imageId, category_id: categoryId, bbox, score } = entry;
  if (!isId(imageId)) return `needs an integer "image_id", got ${show(imageId)}`;
  if (!isId(categoryId)) return `of image ${imageId} needs an integer "category_id", got ${show(categoryId)}`;
  if (!isBox(bbox) || !bbox.every(Number.isFinite)) {
    return `of image ${imageId} needs a "bbox" of four finite numbers [x, y, width, height], got ${show(bbox)}`;
  }
  if (typeof score !== "number" || !Number.isFinite(score)) {
    return `of image ${imageId} needs a finite "score", got ${show(score)}`;
  }
  return { image_id: imageId, category_id: categoryId, bbox, score };
}

/**
 * Checks one entry.
 *
 * @param raw any value
 * @param file the file's name, for error texts
 * @param n which entry of the file it is
 * @returns the entry
 * @throws DatasetError that names the entry where a key is missing or a number is not finite
 */
export function checkedResult(raw: unknown, file: string, n: number): CocoResult {
  const entry = readResult(raw);
  if (typeof entry !== "string") return entry;
  const imageId = isRecord(raw) ? raw.image_id : undefined;
  throw new DatasetError(`${file}: detection ${n} ${entry}.`, { file, entry: n, imageId });
}

/** The error for a results file that holds no list. */
export function noResultList(json: unknown, file: string): DatasetError {
  return new DatasetError(`${file}: expected a list of detections, got ${show(json)}.`, { file });
}
