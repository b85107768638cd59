// Detections in COCO's results format (https://cocodataset.org/#format-results), as columns, to and from JSON.
// Nothing here judges detections; that is the evaluator's part.
import { DatasetError, type Detections, ShapeError } from "@caddet/core/base";
import { byteSource } from "../json/byte-source";
import { checkedResult, noResultList } from "./result-entry";
import { readResultsPart } from "./results-bytes";

/** Detections of many images as columns. */
export interface CocoResults {
  /** `[N]` */
  readonly imageIds: Float64Array;
  /** `[N]`: COCO category ids, not labels. */
  readonly categoryIds: Float64Array;
  /** `[N * 4]`: `x, y, width, height` in source pixels. */
  readonly boxes: Float64Array;
  /** `[N]` */
  readonly scores: Float64Array;
}

/** One entry of a results file. */
export interface CocoResult {
  readonly image_id: number;
  readonly category_id: number;
  /** `x, y, width, height` in source pixels. */
  readonly bbox: readonly [number, number, number, number];
  readonly score: number;
}

function emptyResults(n: number) {
  return {
    imageIds: new Float64Array(n),
    categoryIds: new Float64Array(n),
    boxes: new Float64Array(n * 4),
    scores: new Float64Array(n),
  };
}

/**
 * Parses and checks the content of a results file.
 *
 * @param json the file's bytes (UTF-8), which is far faster, or what `JSON.parse` returned: a list of
 *   `{ image_id, category_id, bbox, score }`; other keys are not read
 * @param options the file's name, for error texts
 * @returns the detections in the file's order
 * @throws DatasetError at the first entry that lacks a key or has a number that is not finite, and where bytes are no JSON
 * @example parseResults(new Uint8Array(await response.arrayBuffer()), { file: "results.json" }).scores.length
 */
export function parseResults(json: unknown, { file }: { readonly file: string }): CocoResults {
  if (json instanceof Uint8Array) return readResultsPart(byteSource(json), { file }).results;
  if (!Array.isArray(json)) throw noResultList(json, file);
  const results = emptyResults(json.length);
  for (let n = 0; n < json.length; n++) {
    const entry = checkedResult(json[n], file, n);
    results.imageIds[n] = entry.image_id;
    results.categoryIds[n] = entry.category_id;
    results.boxes.set(entry.bbox, n * 4);
    results.scores[n] = entry.score;
  }
  return results;
}

/** What {@link detectionsToResults} needs to name images and classes. */
export interface DetectionNames {
  /** `[B]`: the image id of each entry of the detections. */
  readonly imageIds: ArrayLike<number>;
  /** `[K]`: the category id of each label, `dataset.categories.ids`. */
  readonly categoryIds: ArrayLike<number>;
}

/**
 * Brings a detector's output into COCO's form.
 *
 * @param detections one entry an image, boxes `x1, y1, x2, y2` in source pixels
 * @param names image ids `[B]` and the category id of each label `[K]`
 * @returns the detections, image by image
 * @throws ShapeError when there are not as many image ids as entries; DatasetError when a label has no category
 * @example detectionsToResults(found, { imageIds: batch.imageIds, categoryIds: dataset.categories.ids })
 */
export function detectionsToResults(
  detections: readonly Detections[],
  { imageIds, categoryIds }: DetectionNames,
): CocoResults {
  if (detections.length !== imageIds.length) {
    throw new ShapeError(`Expected one image id for each of ${detections.length} images, got ${imageIds.length}.`);
  }
  const results = emptyResults(detections.reduce((sum, { scores }) => sum + scores.length, 0));
  let n = 0;
  detections.forEach(({ boxes, scores, labels }, b) => {
    for (let i = 0; i < scores.length; i++, n++) {
      const categoryId = categoryIds[labels[i]!];
      if (categoryId === undefined) {
        const message = `Image ${imageIds[b]} has a detection with label ${labels[i]}, but there are ${categoryIds.length} categories.`;
        throw new DatasetError(message, { imageId: imageIds[b], label: labels[i] });
      }
      results.imageIds[n] = imageIds[b]!;
      results.categoryIds[n] = categoryId;
      results.scores[n] = scores[i]!;
      const x = boxes[i * 4]!;
      const y = boxes[i * 4 + 1]!;
      results.boxes.set([x, y, boxes[i * 4 + 2]! - x, boxes[i * 4 + 3]! - y], n * 4);
    }
  });
  return results;
}

/**
 * Puts results of several batches behind one another.
 *
 * @param parts in the order that they keep
 * @returns one set of columns
 * @example concatResults([first, second])
 */
export function concatResults(parts: readonly CocoResults[]): CocoResults {
  const all = emptyResults(parts.reduce((sum, { scores }) => sum + scores.length, 0));
  let n = 0;
  for (const part of parts) {
    all.imageIds.set(part.imageIds, n);
    all.categoryIds.set(part.categoryIds, n);
    all.boxes.set(part.boxes, n * 4);
    all.scores.set(part.scores, n);
    n += part.scores.length;
  }
  return all;
}

/**
 * The entries of a results file.
 *
 * @param results any results
 * @returns values for `JSON.stringify`, in order
 * @example writeFile("results.json", JSON.stringify(resultsToJson(results)))
 */
export function resultsToJson({ imageIds, categoryIds, boxes, scores }: CocoResults): CocoResult[] {
  return Array.from(scores, (score, n) => ({
    image_id: imageIds[n]!,
    category_id: categoryIds[n]!,
    bbox: [boxes[n * 4]!, boxes[n * 4 + 1]!, boxes[n * 4 + 2]!, boxes[n * 4 + 3]!],
    score,
  }));
}
