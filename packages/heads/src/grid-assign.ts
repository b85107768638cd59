// The assignment of max-iou-assign.ts for anchors that lie on grids: the same answer to the last bit, from the few anchors whose
// overlap with a box can matter. How large an intersection must be for that bounds the cells to look at, by shape of anchor.
import type { GroundTruth } from "@caddet/core";
import { type AnchorOptions, baseAnchors } from "./anchors";
import {
  areaOf,
  BACKGROUND,
  EPSILON,
  hasExtent,
  IGNORED,
  type MaxIouOptions,
  resolveMaxIouOptions,
} from "./max-iou-assign";
import type { MapSize } from "./points";

const { fround } = Math;

/** Where anchors lie. */
export interface AnchorGrid {
  /** Rows and columns of each level's map. */
  readonly sizes: readonly MapSize[];
  /** Pixels of the network's input for one cell of each level. */
  readonly strides: readonly number[];
  /** Scales and ratios. */
  readonly anchors?: AnchorOptions;
}

/** All anchors of one level that have the same shape. */
interface Shape extends MapSize {
  readonly stride: number;
  /** Number of the anchor in the first cell. */
  readonly first: number;
  readonly perCell: number;
  /** `[4]`: the anchor around the origin. */
  readonly base: Float32Array;
  readonly area: number;
}

/** One box and what of it does not change from anchor to anchor. */
interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly area: number;
}

function shapesOf({ sizes, strides, anchors }: AnchorGrid): Shape[] {
  let first = 0;
  return sizes.flatMap(({ height, width }, l) => {
    const stride = strides[l]!;
    const bases = baseAnchors(stride, anchors);
    const perCell = bases.length / 4;
    const start = first;
    first += height * width * perCell;
    return Array.from({ length: perCell }, (_, k) => {
      const base = bases.subarray(4 * k, 4 * k + 4);
      const area = (base[2]! - base[0]!) * (base[3]! - base[1]!);
      return { height, width, stride, first: start + k, perCell, base, area };
    });
  });
}

const boxOf = ({ boxes }: GroundTruth, g: number): Box => ({
  x1: boxes[4 * g]!,
  y1: boxes[4 * g + 1]!,
  x2: boxes[4 * g + 2]!,
  y2: boxes[4 * g + 3]!,
  area: areaOf(boxes, g),
});

const numberOf = ({ first, width, perCell }: Shape, x: number, y: number) => first + (y * width + x) * perCell;

// Intersection and area of an anchor in the float32 steps of max-iou-assign.ts. `edge` is a coordinate of levelAnchors.
const edge = ({ base, stride }: Shape, k: number, cell: number) => fround(base[k]! + stride * cell);

function intersectionAt(box: Box, shape: Shape, x: number, y: number): number {
  const w = fround(Math.min(box.x2, edge(shape, 2, x)) - Math.max(box.x1, edge(shape, 0, x)));
  const h = fround(Math.min(box.y2, edge(shape, 3, y)) - Math.max(box.y1, edge(shape, 1, y)));
  return w > 0 && h > 0 ? fround(w * h) : 0;
}

function areaAt(shape: Shape, x: number, y: number): number {
  const w = fround(edge(shape, 2, x) - edge(shape, 0, x));
  const h = fround(edge(shape, 3, y) - edge(shape, 1, y));
  return fround(w * h);
}

function iouAt(box: Box, shape: Shape, x: number, y: number): number {
  const inter = intersectionAt(box, shape, x, y);
  if (inter === 0) return 0;
  return fround(inter / Math.max(fround(fround(box.area + areaAt(shape, x, y)) - inter), EPSILON));
}

// Bounds are made this much wider than exact arithmetic asks for, since overlaps are rounded: relative to areas and to coordinates.
const AREA_SLACK = 1e-3;
const PLACE_SLACK = 2 ** -20;

// How far an anchor's centre may lie outside of a range and still share `least` pixels with it.
const reachOf = (low: number, high: number, side: number, least: number, extent: number) =>
  side / 2 - least + PLACE_SLACK * Math.max(Math.abs(low), Math.abs(high), extent);

const firstCell = (low: number, reach: number, stride: number) => Math.max(0, Math.ceil((low - reach) / stride));
const lastCell = (high: number, reach: number, stride: number, count: number) =>
  Math.min(count - 1, Math.floor((high + reach) / stride));

// Calls `visit` for every cell at which the shape's intersection with the box can be as large as `least`, and some more.
function visitCells(box: Box, shape: Shape, least: number, visit: (x: number, y: number) => void): void {
  const { base, stride, width, height } = shape;
  const anchorWidth = base[2]! - base[0]!;
  const anchorHeight = base[3]! - base[1]!;
  const wide = Math.min(box.x2 - box.x1, anchorWidth);
  const high = Math.min(box.y2 - box.y1, anchorHeight);
  const bound = least * (1 - AREA_SLACK);
  if (bound > wide * high) return;
  const reachY = reachOf(box.y1, box.y2, anchorHeight, bound / wide, stride * height);
  const lastY = lastCell(box.y2, reachY, stride, height);
  for (let y = firstCell(box.y1, reachY, stride); y <= lastY; y++) {
    const shared = Math.min(box.y2, edge(shape, 3, y)) - Math.max(box.y1, edge(shape, 1, y));
    if (!(shared > 0)) continue;
    const reachX = reachOf(box.x1, box.x2, anchorWidth, bound / shared, stride * width);
    const lastX = lastCell(box.x2, reachX, stride, width);
    for (let x = firstCell(box.x1, reachX, stride); x <= lastX; x++) visit(x, y);
  }
}

const nearestCell = (centre: number, stride: number, count: number) =>
  Math.min(Math.max(Math.round(centre / stride), 0), count - 1);

// Smaller overlaps have few bits left in float32, and are no bound.
const LEAST_BOUND = 2 ** -100;

// The largest IoU with the anchors at the cells nearest to the box's centre: a lower bound of the box's best.
function bestNearCentre(box: Box, shapes: readonly Shape[], takesPart: (i: number) => boolean): number {
  let top = 0;
  for (const shape of shapes) {
    const x = nearestCell((box.x1 + box.x2) / 2, shape.stride, shape.width);
    const y = nearestCell((box.y1 + box.y2) / 2, shape.stride, shape.height);
    if (takesPart(numberOf(shape, x, y))) top = Math.max(top, iouAt(box, shape, x, y));
  }
  return top < LEAST_BOUND ? 0 : top;
}

// Marks the anchors of which a crowd covers more than `threshold`.
function coverByCrowds(truth: GroundTruth, shapes: readonly Shape[], count: number, threshold: number): Uint8Array {
  const covered = new Uint8Array(count);
  truth.crowd.forEach((crowd, g) => {
    if (!crowd) return;
    const box = boxOf(truth, g);
    for (const shape of shapes) {
      visitCells(box, shape, threshold * shape.area, (x, y) => {
        const share = fround(intersectionAt(box, shape, x, y) / Math.max(areaAt(shape, x, y), EPSILON));
        if (share > threshold) covered[numberOf(shape, x, y)] = 1;
      });
    }
  });
  return covered;
}

/** Assigns the boxes of one image; what it returns lasts until the next call. */
export type GridAssigner = (truth: GroundTruth, valid?: Uint8Array) => Int32Array;

/**
 * Prepares {@link assignGridMaxIou} for many images of one size, which then share their scratch memory.
 *
 * @param grid sizes, strides and shapes
 * @param options thresholds
 * @returns the assignment of one image; its result is overwritten by the next call
 */
export function createGridAssigner(grid: AnchorGrid, options: MaxIouOptions = {}): GridAssigner {
  const { low, high, minPositiveIou, ignoreIof } = resolveMaxIouOptions(options);
  const shapes = shapesOf(grid);
  const count = shapes.reduce((n, { height, width }) => n + height * width, 0);
  const owner = new Int32Array(count);
  const best = new Float32Array(count); // all 0 between calls
  const bestBox = new Int32Array(count);
  const ownerOf = (iou: number, box: number) => (iou >= high ? box : iou < low ? BACKGROUND : IGNORED);

  return (truth, valid) => {
    const covered = ignoreIof > 0 ? coverByCrowds(truth, shapes, count, ignoreIof) : undefined;
    const takesPart = (i: number) => !(valid && !valid[i]) && !covered?.[i];
    const touched: number[] = [];
    const rescues: { readonly box: number; readonly anchors: readonly number[] }[] = [];
    for (let g = 0; g < truth.labels.length; g++) {
      if (truth.crowd[g] || !hasExtent(truth.boxes, g)) continue;
      const box = boxOf(truth, g);
      // An IoU below both the box's best and the thresholds changes nothing. IoU ≥ t needs inter ≥ t / (1 + t) · (both areas).
      const floor = Math.max(0, Math.min(low, high, bestNearCentre(box, shapes, takesPart)));
      let top = 0;
      let equal: number[] = [];
      for (const shape of shapes) {
        visitCells(box, shape, (floor / (1 + floor)) * (box.area + shape.area), (x, y) => {
          const iou = iouAt(box, shape, x, y);
          const i = numberOf(shape, x, y);
          if (iou === 0 || !takesPart(i)) return;
          if (iou > best[i]!) {
            if (best[i] === 0) touched.push(i);
            best[i] = iou;
            bestBox[i] = g;
          }
          if (iou > top) {
            top = iou;
            equal = [i];
          } else if (iou === top) {
            equal.push(i);
          }
        });
      }
      // A box that meets no anchor has IoU 0 with every one, and 0 is its largest.
      if (top === 0) equal = Array.from({ length: count }, (_, i) => i).filter(takesPart);
      if (top >= minPositiveIou) rescues.push({ box: g, anchors: equal });
    }

    owner.fill(ownerOf(0, 0));
    if (valid || covered) for (let i = 0; i < count; i++) if (!takesPart(i)) owner[i] = IGNORED;
    for (const i of touched) {
      owner[i] = ownerOf(best[i]!, bestBox[i]!);
      best[i] = 0;
    }
    for (const rescue of rescues) for (const i of rescue.anchors) owner[i] = rescue.box;
    return owner;
  };
}

/**
 * Assigns boxes to anchors on grids as `assignMaxIou` does to the anchors of `levelAnchors`, but many times faster.
 *
 * @param grid sizes, strides and shapes; anchors are numbered by level, row, column and anchor of the cell
 * @param truth the objects of one image, in pixels; crowds and boxes without width or height are no targets
 * @param options thresholds
 * @param valid `[A]`, 0 where an anchor takes no part; default all do
 * @returns `[A]`: the index of the box, -1 for background, -2 for an anchor that learns nothing
 * @example assignGridMaxIou({ sizes: [{ height: 4, width: 4 }], strides: [8] }, truth)
 */
export function assignGridMaxIou(
  grid: AnchorGrid,
  truth: GroundTruth,
  options: MaxIouOptions = {},
  valid?: Uint8Array,
): Int32Array {
  return createGridAssigner(grid, options)(truth, valid);
}
