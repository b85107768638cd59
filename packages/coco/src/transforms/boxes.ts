// What happens to an image's geometry on its way into the network (mmdetection 2.1's rules), as pure functions on sizes and boxes,
// each with its inverse. Pixels are moved elsewhere (./node).
import { type ResizedSize, ShapeError, type Size } from "@caddet/core/base";

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
