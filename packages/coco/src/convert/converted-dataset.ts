// What converters have in common: images with objects become a COCO data set with ids of its own, checked as every instances file is.
import { parseAnnotations } from "../dataset/annotations";
import type { CocoDataset } from "../dataset/dataset";
import type { InstancesFile } from "../dataset/instances-file";

/** An object that a converter found. */
export interface ConvertedObject {
  /** A row of the class names. */
  readonly label: number;
  /** `x, y, width, height` in pixels. */
  readonly box: readonly [number, number, number, number];
  /** Whether an evaluation should pass it over; the instances file says `ignore`. */
  readonly ignore?: boolean;
}

/** An image that a converter found. */
export interface ConvertedImage {
  /** Path relative to the images' folder. */
  readonly fileName: string;
  readonly width: number;
  readonly height: number;
  readonly objects: readonly ConvertedObject[];
}

// COCO's own files are called by their ids; others are numbered from 1.
function imageIds(images: readonly ConvertedImage[]): number[] {
  const stems = images.map(({ fileName }) => /^(?:.*\/)?(\d{1,15})\.[^./]*$/.exec(fileName)?.[1]);
  const ids = stems.map(Number);
  return stems.every((stem) => stem !== undefined) && new Set(ids).size === ids.length
    ? ids
    : images.map((_, i) => i + 1);
}

/**
 * Makes a data set. Class `k` of the names gets the category id `k + 1`; an image's id is its file name's number where all file names
 * are different numbers, else its place from 1; annotations are numbered from 1.
 *
 * @throws DatasetError when an image or an object is not as an instances file may have it
 */
export function convertedDataset(
  file: string,
  images: readonly ConvertedImage[],
  names: readonly string[],
): CocoDataset {
  const ids = imageIds(images);
  let annotationId = 0;
  const json: InstancesFile = {
    images: images.map(({ fileName, width, height }, i) => ({ id: ids[i]!, file_name: fileName, width, height })),
    annotations: images.flatMap(({ objects }, i) =>
      objects.map(({ label, box, ignore }) => ({
        id: ++annotationId,
        image_id: ids[i]!,
        category_id: label + 1,
        bbox: box,
        area: box[2] * box[3],
        iscrowd: 0 as const,
        ...(ignore ? { ignore: 1 as const } : {}),
      })),
    ),
    categories: names.map((name, k) => ({ id: k + 1, name })),
  };
  return parseAnnotations(json, { file });
}
