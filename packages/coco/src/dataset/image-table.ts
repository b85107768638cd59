// The images of an instances file, checked entry by entry.

import { isId, isRecord, show } from "../json/json-values";
import type { ImageTable } from "./dataset";
import type { RawImages } from "./raw-instances";
import { isSafePath } from "./safe-path";
import type { SkipCounter } from "./skips";

// JPEG's own limit; a size beyond it is a broken file and would ask for absurd memory.
const MAX_SIDE = 65_535;

/** The images that are fit, and where they are. */
export interface ParsedImages {
  readonly table: ImageTable;
  /** Row of each image id; -1 for an image that was left out. */
  readonly rowOfId: ReadonlyMap<number, number>;
}

/**
 * Checks the entries of "images".
 *
 * @param raw the entries
 * @param file the file's name, for error texts
 * @param skips hears of those that are left out
 */
export function parseImages(raw: RawImages, file: string, skips: SkipCounter): ParsedImages {
  const ids: number[] = [];
  const widths: number[] = [];
  const heights: number[] = [];
  const fileNames: string[] = [];
  const rowOfId = new Map<number, number>();
  for (let n = 0; n < raw.count; n++) {
    const entry = raw.entry(n);
    if (!isRecord(entry) || !isId(entry.id)) {
      const fault = isRecord(entry)
        ? `needs an integer "id", got ${show(entry.id)}`
        : `must be an object, got ${show(entry)}`;
      const fileName = isRecord(entry) ? entry.file_name : undefined;
      skips.skip("image-malformed", `${file}: image ${n} ${fault}.`, { file, entry: n, fileName });
      continue;
    }
    const { id, width, height, file_name: name } = entry;
    const details = { file, imageId: id, fileName: name };
    if (rowOfId.has(id)) {
      skips.skip("image-id-duplicate", `${file}: two images have the id ${id}. Give each image its own.`, details);
      continue;
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
  }
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
