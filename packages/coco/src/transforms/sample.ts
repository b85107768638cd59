// An image with its objects on the way to training, and what a transform is: a pure function from one sample to the
// next. The transforms are in transform-*.ts; nothing here knows files.
import { ConfigError, type GroundTruth, type Random, ShapeError, type Size } from "@caddet/core/base";
import { type BoxMap, IDENTITY_MAP } from "./box-map";
import { clipBoxes } from "./boxes";

/** An image, on 0..255 until it is normalised, with its objects. */
export interface Sample {
  /** `[height * width * 3]`, RGB. */
  readonly rgb: Uint8Array | Float32Array;
  /** Pixels. */
  readonly size: Size;
  /** Boxes in pixels of this image. */
  readonly truth: GroundTruth;
  /** From the source's pixels to these; `unmapBoxes` goes back. */
  readonly map: BoxMap;
  /** Where the sample is a mosaic: its parts. The mosaic itself is the source of `map` then. */
  readonly tiles?: readonly MosaicTile[];
}

/** An image within a mosaic. */
export interface MosaicTile {
  /** From the tile's own pixels to the mosaic's. */
  readonly map: BoxMap;
  /** The part of the mosaic that it fills: `x1, y1, x2, y2` in the mosaic's pixels. */
  readonly area: readonly [number, number, number, number];
}

/** A step of augmentation. Its input is left as it is; what it draws, it draws from `random` alone. */
export interface Transform {
  /**
   * @param sample the image
   * @param random where draws come from
   * @param others as many other images as `others` says
   */
  (sample: Sample, random: Random, others?: readonly Sample[]): Sample;
  /** How many other images it wants, e.g. 3 for a mosaic. Default 0. */
  readonly others?: number;
}

/**
 * Makes a sample of an image as it is.
 *
 * @param rgb `[height * width * 3]`
 * @param size pixels
 * @param truth boxes in the image's pixels
 * @throws ShapeError when the values are not as many as the size says
 * @example newSample(rgb, { height: 480, width: 640 }, truth)
 */
export function newSample(rgb: Uint8Array | Float32Array, size: Size, truth: GroundTruth): Sample {
  const wanted = size.height * size.width * 3;
  if (rgb.length !== wanted) {
    throw new ShapeError(`An image of ${size.width} × ${size.height} has ${wanted} values, got ${rgb.length}.`);
  }
  return { rgb, size, truth, map: IDENTITY_MAP };
}

/**
 * One transform that does several, in order.
 *
 * @param transforms from the first to the last
 * @returns a transform that wants as many other images as all of them together
 * @example compose(photometricDistortion(), minIouCrop(), randomFlip())
 */
export function compose(...transforms: readonly Transform[]): Transform {
  const wanted = transforms.reduce((sum, { others = 0 }) => sum + others, 0);
  const all = (sample: Sample, random: Random, others: readonly Sample[] = []) => {
    requireOthers("compose", others, wanted);
    let at = 0;
    return transforms.reduce((current, transform) => {
      const given = others.slice(at, at + (transform.others ?? 0));
      at += given.length;
      return transform(current, random, given);
    }, sample);
  };
  return Object.assign(all, { others: wanted });
}

/** Throws ConfigError where a transform got fewer images than it wants. */
export function requireOthers(name: string, others: readonly Sample[], wanted: number): void {
  if (others.length >= wanted) return;
  throw new ConfigError(`${name} wants ${wanted} other images, got ${others.length}. Pass them, or use the loader.`);
}

/** Objects with these rows alone. */
export function pickTruth(truth: GroundTruth, rows: ArrayLike<number>): GroundTruth {
  const boxes = new Float32Array(rows.length * 4);
  const picked = Array.from(rows);
  picked.forEach((n, to) => {
    boxes.set(truth.boxes.subarray(n * 4, n * 4 + 4), to * 4);
  });
  return {
    boxes,
    labels: Int32Array.from(picked, (n) => truth.labels[n]!),
    crowd: Uint8Array.from(picked, (n) => truth.crowd[n]!),
  };
}

/** Objects cut at the image's border; those left without area are no objects of it. */
export function clipTruth(truth: GroundTruth, size: Size): GroundTruth {
  const boxes = clipBoxes(truth.boxes, size);
  const kept = Int32Array.from(truth.labels.keys()).filter(
    (n) => boxes[n * 4 + 2]! > boxes[n * 4]! && boxes[n * 4 + 3]! > boxes[n * 4 + 1]!,
  );
  return pickTruth({ ...truth, boxes }, kept);
}
