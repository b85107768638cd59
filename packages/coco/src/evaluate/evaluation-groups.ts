// Sorts both sides of an evaluation into categories and, in a category, by image. Categories and images are numbered by their
// places among the evaluated ids; with useCats = false there is one category.
import { DatasetError } from "@caddet/core/base";
import type { AnnotationTable, CategoryTable, ImageTable } from "../dataset/dataset";
import type { CocoResults } from "../results/results";
import type { ResolvedParams } from "./evaluation-params";
import { slotOf, slotTable } from "./slot-table";

/** What an evaluation needs of a data set. */
export interface EvaluationTruth {
  readonly images: Pick<ImageTable, "ids">;
  readonly categories: CategoryTable;
  readonly annotations: Omit<AnnotationTable, "ignore">;
}

/** Annotations as columns, category by category; in a category image by image, then in the file's order. */
export interface TruthGroups {
  /** `[categories + 1]` */
  readonly start: Int32Array;
  /** `[N]`: place of the image among the evaluated ones. */
  readonly imageSlots: Int32Array;
  /** `[N]` */
  readonly ids: Float64Array;
  /** `[N * 4]`: `x, y, width, height`. */
  readonly boxes: Float64Array;
  /** `[N]`: the `area` field. */
  readonly area: Float64Array;
  /** `[N]` */
  readonly iscrowd: Uint8Array;
}

/** Detections as columns, in the same order. */
export interface DetectionGroups {
  /** `[categories + 1]` */
  readonly start: Int32Array;
  /** `[N]`: position in the results. */
  readonly rows: Int32Array;
  /** `[N]`: place of the image among the evaluated ones. */
  readonly imageSlots: Int32Array;
  /** `[N * 4]`: `x, y, width, height`. */
  readonly boxes: Float64Array;
  /** `[N]` */
  readonly scores: Float64Array;
}

/** All that is evaluated. */
export interface EvaluationGroups {
  readonly numCategories: number;
  readonly numImages: number;
  readonly truths: TruthGroups;
  readonly detections: DetectionGroups;
  /** Detections of categories that are not evaluated. */
  readonly droppedDetections: number;
  /** Annotation ids that occur more than once. */
  readonly repeatedIds: number;
}

/** Rows of the largest category. */
export function longestGroup(start: Int32Array): number {
  let most = 0;
  for (let k = 0; k + 1 < start.length; k++) most = Math.max(most, start[k + 1]! - start[k]!);
  return most;
}

/** Rows by slot. */
interface Groups {
  readonly start: Int32Array;
  readonly rows: Int32Array;
}

function sumUp(counts: Int32Array): void {
  for (let slot = 1; slot < counts.length; slot++) counts[slot]! += counts[slot - 1]!;
}

/** Stable counting sort of `order` by `slots[row]`; rows of a negative slot are left out. */
export function groupRows(order: Int32Array, slots: Int32Array, count: number): Groups {
  const start = new Int32Array(count + 1);
  for (let n = 0; n < order.length; n++) {
    const slot = slots[order[n]!]!;
    if (slot >= 0) start[slot + 1]!++;
  }
  sumUp(start);
  const next = start.slice(0, count);
  const rows = new Int32Array(start[count]!);
  for (let n = 0; n < order.length; n++) {
    const slot = slots[order[n]!]!;
    if (slot >= 0) rows[next[slot]!++] = order[n]!;
  }
  return { start, rows };
}

/** `0 ... n - 1` */
export function upTo(n: number): Int32Array {
  const out = new Int32Array(n);
  for (let i = 0; i < n; i++) out[i] = i;
  return out;
}

function isRising(ids: Float64Array): boolean {
  for (let row = 1; row < ids.length; row++) if (!(ids[row - 1]! < ids[row]!)) return false;
  return true;
}

// The highest row of each id: where ids repeat, pycocotools' index of annotations holds the last one alone. Empty where none
// repeats.
function lastRows(ids: Float64Array): { lastOf: ReadonlyMap<number, number>; repeated: number } {
  const lastOf = new Map<number, number>();
  if (isRising(ids)) return { lastOf, repeated: 0 };
  for (let row = 0; row < ids.length; row++) lastOf.set(ids[row]!, row);
  return { lastOf, repeated: ids.length - lastOf.size };
}

function isSorted(order: Int32Array, slots: Int32Array): boolean {
  let last = 0;
  for (let n = 0; n < order.length; n++) {
    const slot = slots[order[n]!]!;
    if (slot < last) return false;
    last = slot;
  }
  return true;
}

// Image by image; without categories, an image's boxes come category by category, in the order of catIds.
function orderByImage(order: Int32Array, imageSlots: Int32Array, categorySlots: Int32Array, params: ResolvedParams) {
  const byCategory = params.useCats ? order : groupRows(order, categorySlots, params.catIds.length).rows;
  return isSorted(byCategory, imageSlots) ? byCategory : groupRows(byCategory, imageSlots, params.imgIds.length).rows;
}

function gatherTruths(truth: EvaluationTruth, params: ResolvedParams): { groups: TruthGroups; repeated: number } {
  const { ids, imageIndex, categoryIndex, boxes, area, iscrowd } = truth.annotations;
  const images = slotTable(params.imgIds);
  const categories = slotTable(params.catIds);
  const slotOfImage = Int32Array.from(truth.images.ids, (id) => slotOf(images, id));
  const slotOfCategory = Int32Array.from(truth.categories.ids, (id) => slotOf(categories, id));
  const imageSlots = imageIndex.map((image) => slotOfImage[image]!);
  const categorySlots = categoryIndex.map((category) => slotOfCategory[category]!);
  const { lastOf, repeated } = lastRows(ids);
  let order = upTo(ids.length);
  if (repeated > 0) {
    // Rows are chosen by their own image and category (by the image alone without categories), then replaced by the last of that id.
    const chosen = imageSlots.map((slot, row) => (params.useCats && categorySlots[row]! < 0 ? -1 : slot));
    order = groupRows(order, chosen, params.imgIds.length).rows.map((row) => lastOf.get(ids[row]!)!);
  }
  const byImage = orderByImage(order, imageSlots, categorySlots, params);
  const { start, rows } = params.useCats
    ? groupRows(byImage, categorySlots, params.catIds.length)
    : { start: Int32Array.of(0, byImage.length), rows: byImage };
  const groups = {
    start,
    imageSlots: rows.map((row) => imageSlots[row]!),
    ids: new Float64Array(rows.length),
    boxes: new Float64Array(rows.length * 4),
    area: new Float64Array(rows.length),
    iscrowd: new Uint8Array(rows.length),
  };
  for (let n = 0; n < rows.length; n++) {
    const row = rows[n]!;
    groups.ids[n] = ids[row]!;
    groups.area[n] = area[row]!;
    groups.iscrowd[n] = iscrowd[row]!;
    for (let side = 0; side < 4; side++) groups.boxes[n * 4 + side] = boxes[row * 4 + side]!;
  }
  return { groups, repeated };
}

// Of an image that the data set lacks; -1 is of one that the parameters leave out.
const UNKNOWN = -2;

/**
 * The place of each detection's image among the evaluated ones, negative for one that is left out.
 *
 * @throws DatasetError when an image is not among the known ones
 */
export function imageSlotsOf(imageIds: Float64Array, known: Float64Array, evaluatedIds: Float64Array): Int32Array {
  const knownSlots = slotTable(known);
  const evaluated = slotTable(evaluatedIds);
  const slots = new Int32Array(imageIds.length);
  let id = Number.NaN;
  let slot = UNKNOWN;
  for (let row = 0; row < imageIds.length; row++) {
    // Detectors write image by image.
    if (imageIds[row] !== id) {
      id = imageIds[row]!;
      slot = slotOf(knownSlots, id) < 0 ? UNKNOWN : slotOf(evaluated, id);
    }
    if (slot === UNKNOWN) {
      const message = `Detection ${row} belongs to image ${id}, which the annotations lack. Evaluate it against its own data set.`;
      throw new DatasetError(message, { imageId: id, entry: row });
    }
    slots[row] = slot;
  }
  return slots;
}

/** Where each detection belongs, and how many belong where. Negative slots leave a detection out. */
interface Placement {
  readonly imageSlots: Int32Array;
  readonly categorySlots: Int32Array;
  /** `[images + 1]`, `[categories + 1]`: where a slot's rows begin when they are sorted by it. */
  readonly imageStart: Int32Array;
  readonly categoryStart: Int32Array;
  /** Whether the rows are sorted by image, and none is left out. */
  readonly isSorted: boolean;
  /** Detections of categories that are not evaluated. */
  readonly dropped: number;
}

function placeDetections(
  { imageIds, categoryIds }: CocoResults,
  known: Float64Array,
  params: ResolvedParams,
): Placement {
  const imageSlots = imageSlotsOf(imageIds, known, params.imgIds);
  const categories = slotTable(params.catIds);
  const categorySlots = new Int32Array(categoryIds.length);
  const imageStart = new Int32Array(params.imgIds.length + 1);
  const categoryStart = new Int32Array(params.catIds.length + 1);
  let dropped = 0;
  let last = 0;
  let isSorted = true;
  for (let row = 0; row < categorySlots.length; row++) {
    const image = imageSlots[row]!;
    let category = slotOf(categories, categoryIds[row]!);
    if (category < 0) dropped++;
    if (image < last || category < 0) isSorted = false;
    if (image < 0) category = -1;
    categorySlots[row] = category;
    if (category < 0) continue;
    last = image;
    imageStart[image + 1]!++;
    categoryStart[category + 1]!++;
  }
  sumUp(imageStart);
  sumUp(categoryStart);
  return { imageSlots, categorySlots, imageStart, categoryStart, isSorted, dropped };
}

// Rows image by image, in the file's order; undefined where they are so already.
function rowsByImage({ imageSlots, categorySlots, imageStart, isSorted }: Placement): Int32Array | undefined {
  if (isSorted) return undefined;
  const next = imageStart.slice();
  const rows = new Int32Array(imageStart[imageStart.length - 1]!);
  for (let row = 0; row < imageSlots.length; row++) {
    if (categorySlots[row]! >= 0) rows[next[imageSlots[row]!]!++] = row;
  }
  return rows;
}

function groupDetections(
  results: CocoResults,
  known: Float64Array,
  params: ResolvedParams,
): { groups: DetectionGroups; dropped: number } {
  const { boxes, scores } = results;
  const placement = placeDetections(results, known, params);
  const { imageSlots, dropped } = placement;
  let { categorySlots: groupSlots, categoryStart: start } = placement;
  let order = rowsByImage(placement);
  if (!params.useCats) {
    order = orderByImage(upTo(scores.length), imageSlots, groupSlots, params);
    start = Int32Array.of(0, order.length);
    groupSlots = new Int32Array(scores.length);
  }
  const total = start[start.length - 1]!;
  const groups = {
    start,
    rows: new Int32Array(total),
    imageSlots: new Int32Array(total),
    boxes: new Float64Array(total * 4),
    scores: new Float64Array(total),
  };
  const next = start.slice();
  for (let n = 0; n < total; n++) {
    const row = order ? order[n]! : n;
    const at = next[groupSlots[row]!]!++;
    groups.rows[at] = row;
    groups.imageSlots[at] = imageSlots[row]!;
    groups.scores[at] = scores[row]!;
    groups.boxes[at * 4] = boxes[row * 4]!;
    groups.boxes[at * 4 + 1] = boxes[row * 4 + 1]!;
    groups.boxes[at * 4 + 2] = boxes[row * 4 + 2]!;
    groups.boxes[at * 4 + 3] = boxes[row * 4 + 3]!;
  }
  return { groups, dropped };
}

/**
 * Sorts both sides of an evaluation.
 *
 * @param truth annotations
 * @param results detections
 * @param params completed parameters
 * @returns both, by category
 * @throws DatasetError when a detection's image is not among the data set's
 */
export function groupEvaluation(
  truth: EvaluationTruth,
  results: CocoResults,
  params: ResolvedParams,
): EvaluationGroups {
  const truths = gatherTruths(truth, params);
  const detections = groupDetections(results, truth.images.ids, params);
  return {
    numCategories: params.useCats ? params.catIds.length : 1,
    numImages: params.imgIds.length,
    truths: truths.groups,
    detections: detections.groups,
    droppedDetections: detections.dropped,
    repeatedIds: truths.repeated,
  };
}
