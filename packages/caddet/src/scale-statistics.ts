// How the objects of a data set spread over the paper's scale intervals (Section 3.2), in pixels of the network's input. It counts what
// training will see; drawing it is the command's business.
import { encodeScales, PAPER_INTERVALS } from "@caddet/budget";
import { type CocoDataset, groundTruthOf, indexByImage, scaleBoxes } from "@caddet/coco";
import { resizedSize, type TargetSize } from "@caddet/core/base";

/** The objects of one interval of longer sides. */
export interface IntervalCount {
  /** Its upper end in pixels, inclusive; null for the last one. */
  readonly upTo: number | null;
  /** Boxes, crowds left out. */
  readonly boxes: number;
  /** Images with at least one of them. */
  readonly images: number;
}

/** How often a scale encoding occurs. */
export interface EncodingCount {
  /** A digit an interval, from small to large: 1 where an image has an object in it. */
  readonly encoding: string;
  readonly images: number;
}

/** What {@link scaleStatistics} counts. */
export interface ScaleStatistics {
  readonly size: TargetSize;
  readonly intervals: readonly IntervalCount[];
  /** The frequent first. */
  readonly encodings: readonly EncodingCount[];
  /** Mean of Σs/m: the share of intervals that an image has objects in, from which Eq. 3 draws its budget. */
  readonly meanShare: number;
}

/**
 * Counts intervals and encodings.
 *
 * @param dataset any data set
 * @param size bounds of the sides that images are resized to
 * @returns counts over the paper's four intervals
 */
export function scaleStatistics(dataset: CocoDataset, size: TargetSize): ScaleStatistics {
  const m = PAPER_INTERVALS.length + 1;
  const boxesIn = new Array<number>(m).fill(0);
  const imagesIn = new Array<number>(m).fill(0);
  const encodings = new Map<string, number>();
  const { images } = dataset;
  const index = indexByImage(dataset);
  for (let i = 0; i < images.ids.length; i++) {
    const truth = groundTruthOf(dataset, index, i);
    const boxes = scaleBoxes(truth.boxes, resizedSize({ width: images.widths[i]!, height: images.heights[i]! }, size));
    const encoding = encodeScales(boxes, { crowd: truth.crowd });
    encoding.forEach((flag, k) => {
      imagesIn[k]! += flag;
    });
    for (let n = 0; n < truth.labels.length; n++) {
      if (truth.crowd?.[n]) continue;
      boxesIn[encodeScales(boxes.subarray(n * 4, n * 4 + 4)).indexOf(1)]!++;
    }
    const key = encoding.join("");
    encodings.set(key, (encodings.get(key) ?? 0) + 1);
  }
  const active = imagesIn.reduce((sum, n) => sum + n, 0);
  return {
    size,
    intervals: imagesIn.map((count, k) => ({ upTo: PAPER_INTERVALS[k] ?? null, boxes: boxesIn[k]!, images: count })),
    encodings: [...encodings]
      .map(([encoding, count]) => ({ encoding, images: count }))
      .sort((a, b) => b.images - a.images || (a.encoding < b.encoding ? -1 : 1)),
    meanShare: images.ids.length === 0 ? 0 : active / (m * images.ids.length),
  };
}
