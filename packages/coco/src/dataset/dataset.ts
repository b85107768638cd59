// The tables of a COCO instances file as columns: one typed array a field, no object a box. Data only; annotations.ts fills
// them, training-filter.ts thins them out.
import type { GroundTruth } from "@caddet/core/base";
import type { SegmentationTable } from "./segmentations";

/** Why an image or an annotation was left out. */
export type SkipReason =
  | "image-malformed"
  | "image-size"
  | "image-id-duplicate"
  | "file-name-unsafe"
  | "annotation-malformed"
  | "annotation-id-duplicate"
  | "annotation-of-skipped-image"
  | "unknown-image"
  | "unknown-category"
  | "box-not-finite"
  | "box-empty"
  | "box-outside-image"
  | "box-ignored"
  | "box-without-area"
  | "box-under-one-pixel"
  | "image-without-annotation"
  | "image-too-small";

/** How many images or annotations were left out, by reason. Reasons that did not occur are absent. */
export type SkipCounts = Readonly<Partial<Record<SkipReason, number>>>;

/** The images of a data set, in the file's order. */
export interface ImageTable {
  /** `[I]`: COCO image ids. */
  readonly ids: Float64Array;
  /** `[I]`: pixels. */
  readonly widths: Int32Array;
  /** `[I]`: pixels. */
  readonly heights: Int32Array;
  /** `[I]`: paths relative to the images' folder. */
  readonly fileNames: readonly string[];
}

/** The annotations of a data set, in the file's order. */
export interface AnnotationTable {
  /** `[N]`: COCO annotation ids. */
  readonly ids: Float64Array;
  /** `[N]`: row in the image table. */
  readonly imageIndex: Int32Array;
  /** `[N]`: row in the category table, which is the class label. */
  readonly categoryIndex: Int32Array;
  /** `[N * 4]`: `x, y, width, height` in source pixels. */
  readonly boxes: Float64Array;
  /** `[N]`: the `area` field (for COCO the mask's), in square source pixels. */
  readonly area: Float64Array;
  /** `[N]`: 1 for a crowd. */
  readonly iscrowd: Uint8Array;
  /** `[N]`: 1 where the file says `ignore`; the evaluator does not look at it. */
  readonly ignore: Uint8Array;
  /** Polygons, where they were asked for. A filtered data set has none. */
  readonly segmentations?: SegmentationTable;
}

/** The classes of a data set, by rising id. A class label is a row of this table. */
export interface CategoryTable {
  /** `[K]`: COCO category ids. */
  readonly ids: Float64Array;
  /** `[K]` */
  readonly names: readonly string[];
}

/** A COCO instances file as columns. */
export interface CocoDataset {
  /** Where it came from, for error texts. */
  readonly file: string;
  readonly images: ImageTable;
  readonly annotations: AnnotationTable;
  readonly categories: CategoryTable;
  /** What was left out on the way. */
  readonly skipped: SkipCounts;
}

/** The annotations of each image: those of image `i` are `rows[start[i]] .. rows[start[i + 1] - 1]`. */
export interface ImageIndex {
  /** `[I + 1]` */
  readonly start: Int32Array;
  /** `[N]`: rows of the annotation table, image by image, in the file's order within an image. */
  readonly rows: Int32Array;
}

/**
 * Groups the annotations by image.
 *
 * @param dataset any data set
 * @returns the rows of each image, by counting sort
 * @example const { start, rows } = indexByImage(dataset)
 */
export function indexByImage(dataset: Pick<CocoDataset, "images" | "annotations">): ImageIndex {
  const { imageIndex } = dataset.annotations;
  const start = new Int32Array(dataset.images.ids.length + 1);
  for (const i of imageIndex) start[i + 1]!++;
  for (let i = 1; i < start.length; i++) start[i]! += start[i - 1]!;
  const next = start.slice();
  const rows = new Int32Array(imageIndex.length);
  for (let n = 0; n < imageIndex.length; n++) rows[next[imageIndex[n]!]!++] = n;
  return { start, rows };
}

/**
 * The objects of one image in the form that losses take.
 *
 * @param dataset the data set
 * @param index what {@link indexByImage} returned for it
 * @param image row in the image table
 * @returns boxes `x1, y1, x2, y2` in source pixels (not clipped), labels and crowd flags
 * @example groundTruthOf(dataset, indexByImage(dataset), 0).labels
 */
export function groundTruthOf(dataset: CocoDataset, index: ImageIndex, image: number): GroundTruth {
  const { annotations } = dataset;
  const rows = index.rows.subarray(index.start[image], index.start[image + 1]);
  const boxes = new Float32Array(rows.length * 4);
  rows.forEach((row, n) => {
    const x = annotations.boxes[row * 4]!;
    const y = annotations.boxes[row * 4 + 1]!;
    boxes[n * 4] = x;
    boxes[n * 4 + 1] = y;
    boxes[n * 4 + 2] = x + annotations.boxes[row * 4 + 2]!;
    boxes[n * 4 + 3] = y + annotations.boxes[row * 4 + 3]!;
  });
  return {
    boxes,
    labels: rows.map((row) => annotations.categoryIndex[row]!),
    crowd: Uint8Array.from(rows, (row) => annotations.iscrowd[row]!),
  };
}
