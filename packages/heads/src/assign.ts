// FCOS's targets: which points learn which box (FCOS §3.1-3.2; mmdetection 2.3's order and bounds). On the CPU in typed arrays,
// by looping over boxes and only the points inside each.
import { ConfigError, type GroundTruth } from "@caddet/core";
import { centernessTarget } from "./centerness";
import type { MapSize } from "./points";
import { checkTruths } from "./truths";

/** The smallest and the largest size that a level is responsible for, both inclusive, in pixels. */
export type RegressRange = readonly [number, number];

/** Options of {@link assignFcosTargets}. */
export interface FcosAssignOptions {
  readonly numClasses: number;
  /** Pixels of the network's input for one cell of each level. */
  readonly strides: readonly number[];
  /** For each level, bounds of the largest distance from a point to its box's sides. */
  readonly regressRanges: readonly RegressRange[];
  /** Take only points near the box's centre. Default false. */
  readonly centerSampling?: boolean;
  /** Half the side of the central square, in strides. Default 1.5. */
  readonly centerSampleRadius?: number;
}

/** What the points of a batch have to learn. Points are numbered by level, then image, then row, then column. */
export interface FcosTargets {
  /** One array `[B * H_l * W_l]` a level: the class, or `numClasses` for background. */
  readonly labels: readonly Int32Array[];
  /** `[P]`, ascending: the numbers of the points that have a box. */
  readonly positives: Int32Array;
  /** `[P]`: the image of each positive point. */
  readonly images: Int32Array;
  /** `[P]`: the level of each positive point. */
  readonly levels: Int32Array;
  /** `[P * 4]`: distances to the left, top, right and bottom side, in pixels. */
  readonly distances: Float32Array;
  /** `[P]` in (0, 1]: FCOS's Eq. 3. */
  readonly centerness: Float32Array;
}

// All arithmetic on coordinates is rounded to float32, so that bounds and ties are decided as the reference decides them.
const { fround } = Math;

interface Level extends MapSize {
  readonly stride: number;
  readonly range: RegressRange;
  /** Half the side of the central square in pixels, or 0 for the whole box. */
  readonly reach: number;
}

// The box that each point of one image's level learns, or -1. `best` is scratch for the area of that box.
function assignLevel(truth: GroundTruth, level: Level, owner: Int32Array, best: Float32Array): void {
  const { height, width, stride, range, reach } = level;
  const [low, high] = range;
  const half = Math.floor(stride / 2);
  const { boxes, labels, crowd } = truth;
  owner.fill(-1);
  best.fill(Number.POSITIVE_INFINITY);
  for (let g = 0; g < labels.length; g++) {
    if (crowd[g]) continue;
    const x1 = boxes[4 * g]!;
    const y1 = boxes[4 * g + 1]!;
    const x2 = boxes[4 * g + 2]!;
    const y2 = boxes[4 * g + 3]!;
    const side = Math.max(x2 - x1, y2 - y1);
    // The largest distance of an inner point lies between half the longer side and the whole of it; the 1 covers rounding.
    if (!(side + 1 >= low && side / 2 - 1 <= high)) continue;
    const area = fround(fround(x2 - x1) * fround(y2 - y1));
    const [left, top, right, bottom] = reach > 0 ? centre(x1, y1, x2, y2, reach) : [x1, y1, x2, y2];
    const firstX = Math.max(0, Math.floor((left - half) / stride));
    const lastX = Math.min(width - 1, Math.ceil((right - half) / stride));
    const firstY = Math.max(0, Math.floor((top - half) / stride));
    const lastY = Math.min(height - 1, Math.ceil((bottom - half) / stride));
    for (let y = firstY; y <= lastY; y++) {
      const py = stride * y + half;
      if (!(fround(py - top) > 0 && fround(bottom - py) > 0)) continue;
      const vertical = Math.max(fround(py - y1), fround(y2 - py));
      for (let x = firstX; x <= lastX; x++) {
        const px = stride * x + half;
        if (!(fround(px - left) > 0 && fround(right - px) > 0)) continue;
        const largest = Math.max(vertical, fround(px - x1), fround(x2 - px));
        const at = y * width + x;
        if (largest >= low && largest <= high && area < best[at]!) {
          best[at] = area;
          owner[at] = g;
        }
      }
    }
  }
}

// The central square of a box, cut to the box.
function centre(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  reach: number,
): readonly [number, number, number, number] {
  const cx = fround(fround(x1 + x2) / 2);
  const cy = fround(fround(y1 + y2) / 2);
  return [
    Math.max(fround(cx - reach), x1),
    Math.max(fround(cy - reach), y1),
    Math.min(fround(cx + reach), x2),
    Math.min(fround(cy + reach), y2),
  ];
}

function readLevels(sizes: readonly MapSize[], options: FcosAssignOptions): Level[] {
  const { strides, regressRanges, centerSampling = false, centerSampleRadius = 1.5 } = options;
  if (strides.length !== sizes.length || regressRanges.length !== sizes.length) {
    throw new ConfigError(
      `FCOS needs one stride and one range a level, got ${sizes.length} levels, ${strides.length} strides and ` +
        `${regressRanges.length} ranges.`,
    );
  }
  return sizes.map((size, l) => {
    const stride = strides[l]!;
    return {
      ...size,
      stride,
      range: regressRanges[l]!,
      reach: centerSampling ? fround(stride * centerSampleRadius) : 0,
    };
  });
}

/**
 * Assigns boxes to points. A point learns the box of smallest area (the first of equals) among those that it lies strictly
 * inside of and whose largest distance is in its level's range. Crowds are not used; boxes are not clipped to the image.
 *
 * @param truths the objects of each image, in pixels of the network's input
 * @param sizes rows and columns of each level's map
 * @param options classes, strides, ranges and the choice of points
 * @returns labels of all points, and boxes and centerness of the positive ones
 * @throws ConfigError when strides, ranges and levels do not match; ShapeError or DatasetError on annotations that cannot be used
 * @example assignFcosTargets(truths, [{ height: 100, width: 152 }], { numClasses: 80, strides: [8], regressRanges: [[-1, 1e8]] })
 */
export function assignFcosTargets(
  truths: readonly GroundTruth[],
  sizes: readonly MapSize[],
  options: FcosAssignOptions,
): FcosTargets {
  checkTruths(truths, options.numClasses);
  const labels: Int32Array[] = [];
  const positives: number[] = [];
  const images: number[] = [];
  const levels: number[] = [];
  const distances: number[] = [];
  let base = 0;
  readLevels(sizes, options).forEach((level, l) => {
    const cells = level.height * level.width;
    const half = Math.floor(level.stride / 2);
    const owner = new Int32Array(cells);
    const best = new Float32Array(cells);
    const classes = new Int32Array(truths.length * cells).fill(options.numClasses);
    truths.forEach((truth, image) => {
      if (truth.labels.length === 0) return;
      assignLevel(truth, level, owner, best);
      for (let at = 0; at < cells; at++) {
        const g = owner[at]!;
        if (g < 0) continue;
        classes[image * cells + at] = truth.labels[g]!;
        const px = level.stride * (at % level.width) + half;
        const py = level.stride * Math.floor(at / level.width) + half;
        const left = fround(px - truth.boxes[4 * g]!);
        const top = fround(py - truth.boxes[4 * g + 1]!);
        const right = fround(truth.boxes[4 * g + 2]! - px);
        const bottom = fround(truth.boxes[4 * g + 3]! - py);
        positives.push(base + image * cells + at);
        images.push(image);
        levels.push(l);
        distances.push(left, top, right, bottom);
      }
    });
    labels.push(classes);
    base += truths.length * cells;
  });
  return {
    labels,
    positives: Int32Array.from(positives),
    images: Int32Array.from(images),
    levels: Int32Array.from(levels),
    distances: Float32Array.from(distances),
    centerness: centernessTarget(distances),
  };
}
