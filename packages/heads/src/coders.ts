// Box coders: distances from a point to the four sides (FCOS §3.1), and shifts relative to an anchor (Faster R-CNN's
// parametrisation, RetinaNet's). Typed arrays only; the differentiable use of distances is in fcos-loss.ts.
import { type ImageSize, ShapeError } from "@caddet/core";
import { countBoxes } from "./overlaps";

type Bounds = Pick<ImageSize, "height" | "width">;

/** Means and standard deviations by which shifts are normalised. */
export interface DeltaOptions {
  /** Default 0, 0, 0, 0. */
  readonly means?: readonly [number, number, number, number];
  /** Default 1, 1, 1, 1. */
  readonly stds?: readonly [number, number, number, number];
}

/** Options of {@link decodeDeltas}. */
export interface DecodeDeltaOptions extends DeltaOptions {
  /** Boxes are clamped to it; default no clamp. */
  readonly bounds?: Bounds;
  /** Largest factor between the sides of anchor and box, default 62.5 (1000 / 16). */
  readonly maxRatio?: number;
}

/** How much larger or smaller a decoded side can be than its anchor's, unless a caller says otherwise. */
export const MAX_SIDE_RATIO = 1000 / 16;

const clamp = (v: number, high: number) => Math.min(Math.max(v, 0), high);

function clampBoxes(boxes: Float32Array, { height, width }: Bounds): void {
  for (let i = 0; i < boxes.length; i++) boxes[i] = clamp(boxes[i]!, i % 2 === 0 ? width : height);
}

function sameCount(first: number, second: number, what: string): void {
  if (first !== second) throw new ShapeError(`${what} should come in pairs, got ${first} and ${second}.`);
}

/**
 * Turns distances into boxes.
 *
 * @param points `[N * 2]`, x and y, in pixels
 * @param distances `[N * 4]`, to the left, top, right and bottom side, in pixels
 * @param bounds clamps the boxes to `[0, width] × [0, height]`; default no clamp
 * @returns `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @throws ShapeError when the counts differ
 * @example distanceToBox(new Float32Array([10, 10]), new Float32Array([4, 3, 2, 1])) // 6, 7, 12, 11
 */
export function distanceToBox(points: ArrayLike<number>, distances: ArrayLike<number>, bounds?: Bounds): Float32Array {
  const n = countBoxes(distances, "distances");
  sameCount(points.length / 2, n, "Points and distances");
  const boxes = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    const x = points[2 * i]!;
    const y = points[2 * i + 1]!;
    boxes[4 * i] = x - distances[4 * i]!;
    boxes[4 * i + 1] = y - distances[4 * i + 1]!;
    boxes[4 * i + 2] = x + distances[4 * i + 2]!;
    boxes[4 * i + 3] = y + distances[4 * i + 3]!;
  }
  if (bounds) clampBoxes(boxes, bounds);
  return boxes;
}

/**
 * Turns boxes into distances; the inverse of {@link distanceToBox} without bounds.
 *
 * @param points `[N * 2]`, x and y, in pixels
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @returns `[N * 4]`, left, top, right, bottom, in pixels; negative where the point lies outside
 * @throws ShapeError when the counts differ
 * @example boxToDistance(new Float32Array([10, 10]), new Float32Array([6, 7, 12, 11])) // 4, 3, 2, 1
 */
export function boxToDistance(points: ArrayLike<number>, boxes: ArrayLike<number>): Float32Array {
  const n = countBoxes(boxes, "boxes");
  sameCount(points.length / 2, n, "Points and boxes");
  const distances = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    const x = points[2 * i]!;
    const y = points[2 * i + 1]!;
    distances[4 * i] = x - boxes[4 * i]!;
    distances[4 * i + 1] = y - boxes[4 * i + 1]!;
    distances[4 * i + 2] = boxes[4 * i + 2]! - x;
    distances[4 * i + 3] = boxes[4 * i + 3]! - y;
  }
  return distances;
}

/**
 * Encodes boxes as shifts of anchors: centre relative to the anchor's size, log of the ratio of sides.
 *
 * @param anchors `[N * 4]`, `x1, y1, x2, y2` a box, in pixels, of positive size
 * @param boxes `[N * 4]`, the boxes to encode, of positive size
 * @param options means and stds of the shifts
 * @returns `[N * 4]`, dx, dy, dw, dh
 * @throws ShapeError when the counts differ
 * @example encodeDeltas(new Float32Array([0, 0, 10, 10]), new Float32Array([5, 0, 15, 10])) // 0.5, 0, 0, 0
 */
export function encodeDeltas(
  anchors: ArrayLike<number>,
  boxes: ArrayLike<number>,
  { means = [0, 0, 0, 0], stds = [1, 1, 1, 1] }: DeltaOptions = {},
): Float32Array {
  const n = countBoxes(anchors, "anchors");
  sameCount(n, countBoxes(boxes, "boxes"), "Anchors and boxes");
  const deltas = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    for (let side = 0; side < 2; side++) {
      const a1 = anchors[4 * i + side]!;
      const a2 = anchors[4 * i + 2 + side]!;
      const b1 = boxes[4 * i + side]!;
      const b2 = boxes[4 * i + 2 + side]!;
      const shift = (b1 + b2 - a1 - a2) / 2 / (a2 - a1);
      const growth = Math.log((b2 - b1) / (a2 - a1));
      deltas[4 * i + side] = (shift - means[side]!) / stds[side]!;
      deltas[4 * i + 2 + side] = (growth - means[2 + side]!) / stds[2 + side]!;
    }
  }
  return deltas;
}

/**
 * Decodes shifts of anchors to boxes.
 *
 * @param anchors `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param deltas `[N * 4]`, dx, dy, dw, dh
 * @param options means and stds of the shifts, bounds, largest ratio
 * @returns `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @throws ShapeError when the counts differ
 * @example decodeDeltas(new Float32Array([0, 0, 10, 10]), new Float32Array([0.5, 0, 0, 0])) // 5, 0, 15, 10
 */
export function decodeDeltas(
  anchors: ArrayLike<number>,
  deltas: ArrayLike<number>,
  { means = [0, 0, 0, 0], stds = [1, 1, 1, 1], bounds, maxRatio = MAX_SIDE_RATIO }: DecodeDeltaOptions = {},
): Float32Array {
  const n = countBoxes(anchors, "anchors");
  sameCount(n, countBoxes(deltas, "deltas"), "Anchors and deltas");
  const limit = Math.abs(Math.log(maxRatio));
  const boxes = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    for (let side = 0; side < 2; side++) {
      const a1 = anchors[4 * i + side]!;
      const a2 = anchors[4 * i + 2 + side]!;
      const shift = deltas[4 * i + side]! * stds[side]! + means[side]!;
      const growth = deltas[4 * i + 2 + side]! * stds[2 + side]! + means[2 + side]!;
      const centre = (a1 + a2) / 2 + shift * (a2 - a1);
      const size = (a2 - a1) * Math.exp(Math.min(Math.max(growth, -limit), limit));
      boxes[4 * i + side] = centre - size / 2;
      boxes[4 * i + 2 + side] = centre + size / 2;
    }
  }
  if (bounds) clampBoxes(boxes, bounds);
  return boxes;
}
