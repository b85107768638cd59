// What an annotation of an instances file has to be before anything is asked about its image, its class or its box. Readers of values
// and of bytes both come here for the words.
import { isBox, isId, isRecord, show } from "../json/json-values";
import { isSegmentation } from "./segmentations";

/** The fields of an annotation. */
export interface AnnotationEntry {
  readonly id: number;
  readonly imageId: number;
  readonly categoryId: number;
  readonly box: readonly [number, number, number, number];
  readonly area: number;
  readonly iscrowd: number;
  readonly ignore: number;
}

function isFlag(value: unknown): value is 0 | 1 | boolean | undefined {
  return value === undefined || value === 0 || value === 1 || typeof value === "boolean";
}

/**
 * The fields of one annotation, or what is wrong with them.
 *
 * @param entry any value
 * @param segmentation whether its segmentation is read, too
 */
export function annotationEntry(entry: unknown, segmentation: boolean): AnnotationEntry | string {
  if (!isRecord(entry)) return `must be an object, got ${show(entry)}`;
  const { id, image_id: imageId, category_id: categoryId, bbox, area, iscrowd, ignore } = entry;
  if (!isId(id)) return `needs an integer "id", got ${show(id)}`;
  if (!isId(imageId)) return `needs an integer "image_id", got ${show(imageId)}`;
  if (!isId(categoryId)) return `needs an integer "category_id", got ${show(categoryId)}`;
  if (!isBox(bbox)) return `needs a "bbox" of four numbers [x, y, width, height], got ${show(bbox)}`;
  if (typeof area !== "number") return `needs a number "area", got ${show(area)}`;
  if (!isFlag(iscrowd)) return `needs an "iscrowd" of 0 or 1, got ${show(iscrowd)}`;
  if (!isFlag(ignore)) return `needs an "ignore" of 0 or 1, got ${show(ignore)}`;
  if (segmentation && !isSegmentation(entry.segmentation)) {
    return 'needs a "segmentation" of polygons, lists of an even number of finite numbers, or a run-length object';
  }
  return { id, imageId, categoryId, box: bbox, area, iscrowd: Number(iscrowd ?? 0), ignore: Number(ignore ?? 0) };
}
