// Checks of annotations before they become targets: at the border, so that the loops behind need none.
// It knows nothing of points or anchors.
import { DatasetError, type GroundTruth, ShapeError } from "@caddet/core";

/**
 * Fails unless there is one entry of objects for each image.
 *
 * @param truths one entry an image
 * @param batch how many images the maps have
 * @throws ShapeError when the counts differ
 */
export function checkBatch(truths: readonly GroundTruth[], batch: number): void {
  if (truths.length !== batch) {
    throw new ShapeError(`The loss needs the objects of each of the ${batch} images, got those of ${truths.length}.`);
  }
}

/**
 * Fails on objects that cannot be targets; crowds are not looked at, since they are none.
 *
 * @param truths the objects of each image
 * @param numClasses labels lie in [0, numClasses)
 * @throws ShapeError when arrays do not match; DatasetError on a label out of range or a coordinate that is not finite
 */
export function checkTruths(truths: readonly GroundTruth[], numClasses: number): void {
  truths.forEach(({ boxes, labels, crowd }, image) => {
    const n = labels.length;
    if (boxes.length !== 4 * n || crowd.length !== n) {
      throw new ShapeError(
        `Image ${image} of the batch has ${n} labels, ${boxes.length} box coordinates and ${crowd.length} crowd flags; ` +
          `it should have ${n}, ${4 * n} and ${n}.`,
        { image },
      );
    }
    for (let i = 0; i < n; i++) {
      if (crowd[i]) continue;
      const label = labels[i]!;
      const box = Array.from(boxes.subarray(4 * i, 4 * i + 4));
      if (label < 0 || label >= numClasses) {
        throw new DatasetError(
          `Image ${image} of the batch has a box [${box}] of label ${label}; labels lie in 0..${numClasses - 1}. ` +
            "Map the category ids to class indices first.",
          { image, box, label, numClasses },
        );
      }
      if (!box.every(Number.isFinite)) {
        throw new DatasetError(`Image ${image} of the batch has a box [${box}]; coordinates must be finite.`, {
          image,
          box,
          label,
        });
      }
    }
  });
}
