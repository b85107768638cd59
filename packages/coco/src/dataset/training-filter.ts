// What mmdetection 2.1 trains on (mmdet/datasets/coco.py): drops boxes that no detector can learn and images without objects.
// Crowds stay, flagged; losses leave them out. Never use it on the truth of an evaluation.
import { DatasetError } from "@caddet/core/base";
import type { AnnotationTable, CocoDataset, SkipReason } from "./dataset";

/** Options of {@link filterForTraining}. */
export interface TrainingFilterOptions {
  /** Images whose shorter side is less are dropped, in source pixels. Default 32. */
  readonly minSide?: number;
  /** Whether images without any annotation are dropped. Default true. */
  readonly dropEmpty?: boolean;
}

function unfitReason(annotations: AnnotationTable, row: number): SkipReason | undefined {
  if (annotations.ignore[row] === 1) return "box-ignored";
  if (!(annotations.area[row]! > 0)) return "box-without-area";
  const fits = annotations.boxes[row * 4 + 2]! >= 1 && annotations.boxes[row * 4 + 3]! >= 1;
  return fits ? undefined : "box-under-one-pixel";
}

/**
 * Leaves the images and boxes that are fit for training.
 *
 * An image counts as annotated by what the file says, before boxes are dropped, as in mmdetection: one with nothing but
 * crowds or tiny boxes stays, and trains the background.
 *
 * @param dataset what `parseAnnotations` or `loadDataset` returned
 * @param options least side (default 32) and whether images without annotations go (default true)
 * @returns a new data set without the unfit rows, whose `skipped` adds their numbers by reason
 * @throws DatasetError when no image is left
 * @example filterForTraining(await loadDataset("data/coco", "train"))
 */
export function filterForTraining<T extends CocoDataset>(
  dataset: T,
  { minSide = 32, dropEmpty = true }: TrainingFilterOptions = {},
): T {
  const { file, images, annotations } = dataset;
  const skipped: Partial<Record<SkipReason, number>> = { ...dataset.skipped };
  const drop = (reason: SkipReason) => {
    skipped[reason] = (skipped[reason] ?? 0) + 1;
  };
  const annotated = new Uint8Array(images.ids.length);
  for (const i of annotations.imageIndex) annotated[i] = 1;

  const newRow = new Int32Array(images.ids.length).fill(-1);
  const keptImages: number[] = [];
  images.ids.forEach((_, i) => {
    if (Math.min(images.widths[i]!, images.heights[i]!) < minSide) drop("image-too-small");
    else if (dropEmpty && annotated[i] === 0) drop("image-without-annotation");
    else newRow[i] = keptImages.push(i) - 1;
  });
  if (keptImages.length === 0) {
    throw new DatasetError(
      `${file}: none of ${images.ids.length} images is fit for training (${JSON.stringify(skipped)}). Check the annotations.`,
      { file, skipped },
    );
  }

  const kept: number[] = [];
  annotations.ids.forEach((_, row) => {
    if (newRow[annotations.imageIndex[row]!]! < 0) {
      drop("annotation-of-skipped-image");
      return;
    }
    const reason = unfitReason(annotations, row);
    if (reason) drop(reason);
    else kept.push(row);
  });
  const boxes = new Float64Array(kept.length * 4);
  kept.forEach((row, n) => {
    boxes.set(annotations.boxes.subarray(row * 4, row * 4 + 4), n * 4);
  });
  return {
    ...dataset,
    images: {
      ids: Float64Array.from(keptImages, (i) => images.ids[i]!),
      widths: Int32Array.from(keptImages, (i) => images.widths[i]!),
      heights: Int32Array.from(keptImages, (i) => images.heights[i]!),
      fileNames: keptImages.map((i) => images.fileNames[i]!),
    },
    annotations: {
      ids: Float64Array.from(kept, (row) => annotations.ids[row]!),
      imageIndex: Int32Array.from(kept, (row) => newRow[annotations.imageIndex[row]!]!),
      categoryIndex: Int32Array.from(kept, (row) => annotations.categoryIndex[row]!),
      boxes,
      area: Float64Array.from(kept, (row) => annotations.area[row]!),
      iscrowd: Uint8Array.from(kept, (row) => annotations.iscrowd[row]!),
      ignore: Uint8Array.from(kept, (row) => annotations.ignore[row]!),
    },
    skipped,
  };
}
