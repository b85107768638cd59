// The way of a point from an image's own pixels to those of a transformed image, as scale, offset and mirroring, with
// its inverse. In doubles, so that integer scales, crops, flips and padding come back exactly.
import { ShapeError, type Size } from "@caddet/core/base";

/** `x' = x * scaleX + offsetX`, or `offsetX - x * scaleX` where mirrored; `y' = y * scaleY + offsetY`. Pixels. */
export interface BoxMap {
  readonly scaleX: number;
  readonly scaleY: number;
  readonly offsetX: number;
  readonly offsetY: number;
  readonly mirrored: boolean;
}

/** Leaves boxes where they are. */
export const IDENTITY_MAP: BoxMap = { scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0, mirrored: false };

/** The map, and then scaling by `x` across and `y` down. */
export function scaledMap(map: BoxMap, x: number, y: number): BoxMap {
  const { scaleX, scaleY, offsetX, offsetY, mirrored } = map;
  return { scaleX: scaleX * x, scaleY: scaleY * y, offsetX: offsetX * x, offsetY: offsetY * y, mirrored };
}

/** The map, and then moving by `x` to the right and `y` down; a crop moves by its negative corner. */
export function movedMap(map: BoxMap, x: number, y: number): BoxMap {
  return { ...map, offsetX: map.offsetX + x, offsetY: map.offsetY + y };
}

/** The map, and then mirroring left to right in an image of this width. */
export function mirroredMap(map: BoxMap, { width }: Pick<Size, "width">): BoxMap {
  return { ...map, offsetX: width - map.offsetX, mirrored: !map.mirrored };
}

function assertBoxes(boxes: ArrayLike<number>): void {
  if (boxes.length % 4 !== 0) throw new ShapeError(`Boxes come as [N * 4] numbers, got ${boxes.length}.`);
}

/**
 * Takes boxes along.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` in source pixels
 * @param map from source pixels to others
 * @returns new boxes, `x1 <= x2` where that was so; not clipped
 * @throws ShapeError when the length is no multiple of 4
 * @example mapBoxes(boxes, batch.maps[0])
 */
export function mapBoxes(boxes: Float32Array, map: BoxMap): Float32Array {
  assertBoxes(boxes);
  const { scaleX, scaleY, offsetX, offsetY, mirrored } = map;
  const out = new Float32Array(boxes.length);
  for (let i = 0; i < out.length; i += 4) {
    out[i] = mirrored ? offsetX - boxes[i + 2]! * scaleX : boxes[i]! * scaleX + offsetX;
    out[i + 1] = boxes[i + 1]! * scaleY + offsetY;
    out[i + 2] = mirrored ? offsetX - boxes[i]! * scaleX : boxes[i + 2]! * scaleX + offsetX;
    out[i + 3] = boxes[i + 3]! * scaleY + offsetY;
  }
  return out;
}

/**
 * Brings boxes back to source pixels.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` in the transformed image's pixels
 * @param map what led there
 * @returns new boxes, equal to float32 rounding; exactly where scales are integers
 * @throws ShapeError when the length is no multiple of 4
 * @example unmapBoxes(batch.truths[0].boxes, batch.maps[0])
 */
export function unmapBoxes(boxes: Float32Array, map: BoxMap): Float32Array {
  assertBoxes(boxes);
  const { scaleX, scaleY, offsetX, offsetY, mirrored } = map;
  const out = new Float32Array(boxes.length);
  for (let i = 0; i < out.length; i += 4) {
    out[i] = (mirrored ? offsetX - boxes[i + 2]! : boxes[i]! - offsetX) / scaleX;
    out[i + 1] = (boxes[i + 1]! - offsetY) / scaleY;
    out[i + 2] = (mirrored ? offsetX - boxes[i]! : boxes[i + 2]! - offsetX) / scaleX;
    out[i + 3] = (boxes[i + 3]! - offsetY) / scaleY;
  }
  return out;
}
