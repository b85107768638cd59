// What is in a data set, counted: images, classes, sizes, shapes. Pure; drawing it and scale encodings are others' business.
import { type CocoDataset, indexByImage } from "./dataset";

/** Five numbers of a distribution; all 0 without values. */
export interface Spread {
  readonly min: number;
  /** The lower of the middle two, as for all quantiles here: a value that occurs. */
  readonly median: number;
  readonly p90: number;
  readonly max: number;
  readonly mean: number;
}

/** The objects of one class. */
export interface ClassCount {
  readonly categoryId: number;
  readonly name: string;
  /** Annotations that are no crowd. */
  readonly boxes: number;
  readonly crowds: number;
  /** Images with at least one annotation of it, crowds included. */
  readonly images: number;
}

/** Annotations by COCO's sizes: `area` up to 32² px, up to 96² px, above; crowds left out. */
export interface SizeCounts {
  readonly small: number;
  readonly medium: number;
  readonly large: number;
}

/** Boxes by width over height: at most 1/2, at least 2, and between; crowds and boxes without height left out. */
export interface AspectCounts {
  readonly high: number;
  readonly square: number;
  readonly wide: number;
}

/** What {@link datasetStatistics} counts. */
export interface DatasetStatistics {
  readonly images: number;
  readonly imagesWithoutAnnotations: number;
  /** Annotations that are no crowd. */
  readonly boxes: number;
  readonly crowds: number;
  /** By category id. */
  readonly perClass: readonly ClassCount[];
  /** Boxes of an image, crowds left out. */
  readonly boxesPerImage: Spread;
  readonly sizes: SizeCounts;
  readonly aspects: AspectCounts;
  /** Longer sides of boxes in source pixels, crowds left out. */
  readonly longerSide: Spread;
  /** Pixels. */
  readonly imageWidth: Spread;
  /** Pixels. */
  readonly imageHeight: Spread;
}

// COCO's limits of `area`; a value on a limit counts as the smaller, where pycocotools counts it as both.
const SMALL = 32 ** 2;
const MEDIUM = 96 ** 2;
const ELONGATED = 2;

function spread(values: ArrayLike<number>): Spread {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return { min: 0, median: 0, p90: 0, max: 0, mean: 0 };
  const quantile = (q: number) => sorted[Math.ceil(q * sorted.length) - 1]!;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return { min: sorted[0]!, median: quantile(0.5), p90: quantile(0.9), max: sorted.at(-1)!, mean };
}

function countClasses({ images, annotations, categories }: CocoDataset): ClassCount[] {
  const classes = categories.ids.length;
  const boxes = new Int32Array(classes);
  const crowds = new Int32Array(classes);
  const inImages = new Int32Array(classes);
  const lastImage = new Int32Array(classes).fill(-1);
  const { start, rows } = indexByImage({ images, annotations });
  for (let image = 0; image < images.ids.length; image++) {
    for (const row of rows.subarray(start[image], start[image + 1])) {
      const k = annotations.categoryIndex[row]!;
      if (annotations.iscrowd[row] === 1) crowds[k]!++;
      else boxes[k]!++;
      if (lastImage[k] !== image) inImages[k]!++;
      lastImage[k] = image;
    }
  }
  return Array.from(categories.ids, (categoryId, k) => ({
    categoryId,
    name: categories.names[k]!,
    boxes: boxes[k]!,
    crowds: crowds[k]!,
    images: inImages[k]!,
  }));
}

/**
 * Counts what is in a data set.
 *
 * @param dataset any data set
 * @returns numbers of images and boxes, by class, size and shape; lengths in source pixels
 * @example datasetStatistics(dataset).perClass.find(({ name }) => name === "person")?.boxes
 */
export function datasetStatistics(dataset: CocoDataset): DatasetStatistics {
  const { images, annotations } = dataset;
  const boxesOf = new Int32Array(images.ids.length);
  const annotated = new Uint8Array(images.ids.length);
  const longer: number[] = [];
  const sizes = { small: 0, medium: 0, large: 0 };
  const aspects = { high: 0, square: 0, wide: 0 };
  annotations.ids.forEach((_, row) => {
    const image = annotations.imageIndex[row]!;
    annotated[image] = 1;
    if (annotations.iscrowd[row] === 1) return;
    boxesOf[image]!++;
    const area = annotations.area[row]!;
    sizes[area <= SMALL ? "small" : area <= MEDIUM ? "medium" : "large"]++;
    const width = annotations.boxes[row * 4 + 2]!;
    const height = annotations.boxes[row * 4 + 3]!;
    longer.push(Math.max(width, height));
    if (!(height > 0)) return;
    const ratio = width / height;
    aspects[ratio <= 1 / ELONGATED ? "high" : ratio >= ELONGATED ? "wide" : "square"]++;
  });
  return {
    images: images.ids.length,
    imagesWithoutAnnotations: annotated.reduce((n, flag) => n + (flag === 0 ? 1 : 0), 0),
    boxes: longer.length,
    crowds: annotations.ids.length - longer.length,
    perClass: countClasses(dataset),
    boxesPerImage: spread(boxesOf),
    sizes,
    aspects,
    longerSide: spread(longer),
    imageWidth: spread(images.widths),
    imageHeight: spread(images.heights),
  };
}
