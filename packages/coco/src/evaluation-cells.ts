// Sorts annotations and detections into cells, one a (category, image), as index arrays. A cell is numbered
// `category * images + image` over the evaluated ids; with useCats = false there is one category.
import { DatasetError } from "@caddet/core/base";
import type { AnnotationTable, CategoryTable, ImageTable } from "./dataset";
import type { ResolvedParams } from "./evaluation-params";
import type { CocoResults } from "./results";

/** What an evaluation needs of a data set. */
export interface EvaluationTruth {
  readonly images: Pick<ImageTable, "ids">;
  readonly categories: CategoryTable;
  readonly annotations: Omit<AnnotationTable, "ignore">;
}

/** Columns of boxes, gathered cell by cell. */
interface Cells {
  /** `[cells + 1]` */
  readonly start: Int32Array;
  /** `[N]`: annotation ids, or a detection's position in the results + 1. */
  readonly ids: Float64Array;
  /** `[N * 4]`: `x, y, width, height`. */
  readonly boxes: Float64Array;
  /** `[N]`: an annotation's `area` field, a detection's width times height. */
  readonly area: Float64Array;
}

/** Annotations by cell, in the file's order. */
interface TruthCells extends Cells {
  readonly iscrowd: Uint8Array;
}

/** Detections by cell, by falling score, at most `maxDets`. */
interface DetectionCells extends Cells {
  readonly scores: Float64Array;
}

/** All that is evaluated. */
export interface EvaluationCells {
  readonly numCategories: number;
  readonly numImages: number;
  readonly truths: TruthCells;
  readonly detections: DetectionCells;
  /** Detections of categories that are not evaluated. */
  readonly droppedDetections: number;
  /** Annotation ids that occur more than once. */
  readonly repeatedIds: number;
}

interface Groups {
  readonly start: Int32Array;
  readonly rows: Int32Array;
}

// Stable counting sort of `order` by `cellOf(row)`; rows of a negative cell are left out.
function groupRows(order: ArrayLike<number>, cells: number, cellOf: (row: number) => number): Groups {
  const cellOfOrder = new Int32Array(order.length);
  const start = new Int32Array(cells + 1);
  for (let n = 0; n < order.length; n++) {
    const cell = cellOf(order[n]!);
    cellOfOrder[n] = cell;
    if (cell >= 0) start[cell + 1]!++;
  }
  for (let c = 0; c < cells; c++) start[c + 1]! += start[c]!;
  const next = start.slice(0, cells);
  const rows = new Int32Array(start[cells]!);
  for (let n = 0; n < order.length; n++) {
    const cell = cellOfOrder[n]!;
    if (cell >= 0) rows[next[cell]!++] = order[n]!;
  }
  return { start, rows };
}

function slotsOf(ids: Float64Array): Map<number, number> {
  return new Map(Array.from(ids, (id, slot) => [id, slot] as const));
}

function upTo(n: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => i);
}

// The highest row of each id: where ids repeat, pycocotools' index of annotations holds the last one alone.
function lastRows(ids: Float64Array): { rowOf: (row: number) => number; repeated: number } {
  const last = new Map<number, number>();
  for (let row = 0; row < ids.length; row++) last.set(ids[row]!, row);
  const repeated = ids.length - last.size;
  return { repeated, rowOf: repeated === 0 ? (row) => row : (row) => last.get(ids[row]!)! };
}

type Placement = (imageSlot: number, categorySlot: number) => number;

function groupByCell(
  order: Int32Array,
  params: ResolvedParams,
  imageSlot: (row: number) => number,
  categorySlot: (row: number) => number,
): Groups {
  const images = params.imgIds.length;
  const place: Placement = (image, category) => (image < 0 || category < 0 ? -1 : category * images + image);
  const byBoth = groupRows(order, images * params.catIds.length, (row) => place(imageSlot(row), categorySlot(row)));
  // Without categories an image's boxes come category by category, in the order of catIds.
  return params.useCats ? byBoth : groupRows(byBoth.rows, images, imageSlot);
}

function gatherTruths(truth: EvaluationTruth, params: ResolvedParams): { cells: TruthCells; repeated: number } {
  const { ids, imageIndex, categoryIndex, boxes, area, iscrowd } = truth.annotations;
  const imageSlots = slotsOf(params.imgIds);
  const categorySlots = slotsOf(params.catIds);
  const slotOfImage = Int32Array.from(truth.images.ids, (id) => imageSlots.get(id) ?? -1);
  const slotOfCategory = Int32Array.from(truth.categories.ids, (id) => categorySlots.get(id) ?? -1);
  const imageSlot = (row: number) => slotOfImage[imageIndex[row]!]!;
  const categorySlot = (row: number) => slotOfCategory[categoryIndex[row]!]!;
  const { rowOf, repeated } = lastRows(ids);
  let order = upTo(ids.length);
  if (repeated > 0) {
    // Rows are chosen by their own image and category (by the image alone without categories), then replaced by the last of that id.
    const isChosen = (row: number) => !params.useCats || categorySlot(row) >= 0;
    const chosen = groupRows(order, params.imgIds.length, (row) => (isChosen(row) ? imageSlot(row) : -1));
    order = chosen.rows.map(rowOf);
  }
  const { start, rows } = groupByCell(order, params, imageSlot, categorySlot);
  return {
    repeated,
    cells: {
      start,
      ids: Float64Array.from(rows, (row) => ids[row]!),
      boxes: gatherBoxes(boxes, rows),
      area: Float64Array.from(rows, (row) => area[row]!),
      iscrowd: Uint8Array.from(rows, (row) => iscrowd[row]!),
    },
  };
}

function gatherBoxes(boxes: Float64Array, rows: Int32Array): Float64Array {
  const out = new Float64Array(rows.length * 4);
  for (let n = 0; n < rows.length; n++) {
    const row = rows[n]! * 4;
    out[n * 4] = boxes[row]!;
    out[n * 4 + 1] = boxes[row + 1]!;
    out[n * 4 + 2] = boxes[row + 2]!;
    out[n * 4 + 3] = boxes[row + 3]!;
  }
  return out;
}

// Sorts each cell by falling score, equal scores in order, and cuts it at `limit`.
function rankCells({ start, rows }: Groups, scores: Float64Array, limit: number): Groups {
  const ranked = new Int32Array(start.length);
  const kept = new Int32Array(rows.length);
  let n = 0;
  for (let cell = 0; cell + 1 < start.length; cell++) {
    const inCell = rows.subarray(start[cell], start[cell + 1]);
    if (inCell.length > 1) inCell.sort((p, q) => scores[q]! - scores[p]!);
    const count = Math.min(inCell.length, limit);
    kept.set(inCell.length > limit ? inCell.subarray(0, limit) : inCell, n);
    n += count;
    ranked[cell + 1] = n;
  }
  return { start: ranked, rows: kept.slice(0, n) };
}

function gatherDetections(
  results: CocoResults,
  known: Float64Array,
  params: ResolvedParams,
): { cells: DetectionCells; dropped: number } {
  const { imageIds, categoryIds, boxes, scores } = results;
  const images = new Map<number, number>();
  for (const id of known) images.set(id, -1);
  params.imgIds.forEach((id, slot) => {
    if (images.has(id)) images.set(id, slot);
  });
  const categories = slotsOf(params.catIds);
  let dropped = 0;
  const imageSlot = (row: number) => {
    const slot = images.get(imageIds[row]!);
    if (slot !== undefined) return slot;
    const message = `Detection ${row} belongs to image ${imageIds[row]}, which the annotations lack. Evaluate it against its own data set.`;
    throw new DatasetError(message, { imageId: imageIds[row], entry: row });
  };
  const categorySlot = (row: number) => {
    const slot = categories.get(categoryIds[row]!);
    if (slot === undefined) dropped++;
    return slot ?? -1;
  };
  const groups = groupByCell(upTo(scores.length), params, imageSlot, categorySlot);
  const { start, rows } = rankCells(groups, scores, params.maxDets[params.maxDets.length - 1]!);
  const gathered = gatherBoxes(boxes, rows);
  const cells = {
    start,
    ids: Float64Array.from(rows, (row) => row + 1),
    boxes: gathered,
    area: Float64Array.from(rows, (_, n) => gathered[n * 4 + 2]! * gathered[n * 4 + 3]!),
    scores: Float64Array.from(rows, (row) => scores[row]!),
  };
  return { cells, dropped };
}

/**
 * Sorts both sides of an evaluation into cells.
 *
 * @param truth annotations
 * @param results detections
 * @param params completed parameters
 * @returns both, cell by cell
 * @throws DatasetError when a detection's image is not among the data set's
 */
export function gatherCells(truth: EvaluationTruth, results: CocoResults, params: ResolvedParams): EvaluationCells {
  const truths = gatherTruths(truth, params);
  const detections = gatherDetections(results, truth.images.ids, params);
  return {
    numCategories: params.useCats ? params.catIds.length : 1,
    numImages: params.imgIds.length,
    truths: truths.cells,
    detections: detections.cells,
    droppedDetections: detections.dropped,
    repeatedIds: truths.repeated,
  };
}
