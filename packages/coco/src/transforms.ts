// What happens to an image's geometry on its way into the network (mmdetection 2.1's rules), as pure functions on sizes and boxes,
// each with its inverse. Pixels are moved elsewhere (./node).
import { ConfigError, ShapeError } from "@caddet/core";

/** Height and width in pixels. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** The frame that an image is fitted into, whichever way it lies. */
export interface TargetSize {
  /** Bound of the shorter side, pixels. */
  readonly shorter: number;
  /** Bound of the longer side, pixels. */
  readonly longer: number;
}

/** A size and the ratios that led to it. */
export interface ResizedSize extends Size {
  /** New pixels for an old one, across: the rounded width over the old one. */
  readonly scaleX: number;
  /** New pixels for an old one, down. */
  readonly scaleY: number;
}

/**
 * The largest size with the image's aspect ratio that fits the target.
 *
 * @param source size in pixels
 * @param target bounds of the shorter and the longer side
 * @returns sides `int(side * scale + 0.5)`, at least 1, and the ratios that rounding left
 * @throws ConfigError when a bound is not positive or `shorter > longer`
 * @example resizedSize({ height: 480, width: 640 }, { shorter: 600, longer: 1000 }) // 600 × 800
 */
export function resizedSize({ height, width }: Size, { shorter, longer }: TargetSize): ResizedSize {
  if (!(shorter >= 1) || !(longer >= shorter) || !Number.isFinite(longer)) {
    throw new ConfigError(`The size needs 1 <= shorter <= longer, got shorter ${shorter}, longer ${longer}.`);
  }
  const scale = Math.min(longer / Math.max(height, width), shorter / Math.min(height, width));
  const newHeight = Math.max(1, Math.floor(height * scale + 0.5));
  const newWidth = Math.max(1, Math.floor(width * scale + 0.5));
  return { height: newHeight, width: newWidth, scaleX: newWidth / width, scaleY: newHeight / height };
}

/**
 * The size after padding at the right and the bottom.
 *
 * @param size in pixels
 * @param multiple what both sides become multiples of
 * @returns the next multiples
 * @throws ConfigError when `multiple` is not a positive integer
 * @example paddedSize({ height: 600, width: 800 }, 32) // 608 × 800
 */
export function paddedSize({ height, width }: Size, multiple: number): Size {
  if (!Number.isInteger(multiple) || multiple < 1) {
    throw new ConfigError(`Padding goes to a multiple of a positive integer, got ${multiple}.`);
  }
  return { height: Math.ceil(height / multiple) * multiple, width: Math.ceil(width / multiple) * multiple };
}

function assertBoxes(boxes: ArrayLike<number>): void {
  if (boxes.length % 4 !== 0) throw new ShapeError(`Boxes come as [N * 4] numbers, got ${boxes.length}.`);
}

/**
 * Scales boxes as their image was scaled.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` in source pixels
 * @param scale the ratios of {@link resizedSize}
 * @returns new boxes in network pixels
 * @throws ShapeError when the length is no multiple of 4
 * @example scaleBoxes(boxes, resizedSize(source, target))
 */
export function scaleBoxes(
  boxes: Float32Array,
  { scaleX, scaleY }: Pick<ResizedSize, "scaleX" | "scaleY">,
): Float32Array {
  assertBoxes(boxes);
  return boxes.map((v, i) => v * (i % 2 === 0 ? scaleX : scaleY));
}

/**
 * Takes back {@link scaleBoxes}.
 *
 * @param boxes `[N * 4]` in network pixels
 * @param scale the ratios of {@link resizedSize}
 * @returns new boxes in source pixels, equal to float32 rounding
 * @throws ShapeError when the length is no multiple of 4
 * @example unscaleBoxes(scaleBoxes(boxes, size), size)
 */
export function unscaleBoxes(
  boxes: Float32Array,
  { scaleX, scaleY }: Pick<ResizedSize, "scaleX" | "scaleY">,
): Float32Array {
  assertBoxes(boxes);
  return boxes.map((v, i) => v / (i % 2 === 0 ? scaleX : scaleY));
}

/**
 * Mirrors boxes left to right; its own inverse. Padding at the right and bottom moves no box, so there is nothing to undo for it.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2`
 * @param width of the image without padding, pixels
 * @returns new boxes
 * @throws ShapeError when the length is no multiple of 4
 * @example flipBoxes(new Float32Array([0, 0, 10, 5]), 100) // [90, 0, 100, 5]
 */
export function flipBoxes(boxes: Float32Array, width: number): Float32Array {
  assertBoxes(boxes);
  const out = boxes.slice();
  for (let i = 0; i < out.length; i += 4) {
    out[i] = width - boxes[i + 2]!;
    out[i + 2] = width - boxes[i]!;
  }
  return out;
}

/**
 * Cuts boxes at the image's border.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2`
 * @param size of the image without padding
 * @returns new boxes within `0..width` and `0..height`; one wholly outside has no area left
 * @throws ShapeError when the length is no multiple of 4
 * @example clipBoxes(boxes, { height: 600, width: 800 })
 */
export function clipBoxes(boxes: Float32Array, { height, width }: Size): Float32Array {
  assertBoxes(boxes);
  return boxes.map((v, i) => Math.min(Math.max(v, 0), i % 2 === 0 ? width : height));
}
