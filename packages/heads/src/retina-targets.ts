// RetinaNet's targets: which anchor learns which box, and as which shift. On the CPU in typed arrays.
// The rule itself is in max-iou-assign.ts, and how it is found fast in grid-assign.ts.
import type { GroundTruth, ImageSize } from "@caddet/core";
import { type AnchorOptions, baseAnchors, writeAnchor } from "./anchors";
import { encodeDeltas } from "./coders";
import { type AnchorGrid, createGridAssigner } from "./grid-assign";
import { BACKGROUND, IGNORED, type MaxIouOptions } from "./max-iou-assign";
import type { MapSize } from "./points";
import { checkTruths } from "./truths";

/** Options of {@link assignRetinaTargets}. */
export interface RetinaAssignOptions {
  readonly numClasses: number;
  /** Pixels of the network's input for one cell of each level. */
  readonly strides: readonly number[];
  /** Scales and ratios of the anchors. */
  readonly anchors?: AnchorOptions;
  /** Thresholds of the assignment. */
  readonly assign?: MaxIouOptions;
}

/** What the anchors of a batch have to learn. Anchors are numbered by level, then image, row, column and anchor of the cell. */
export interface RetinaTargets {
  /** One array `[B * H_l * W_l * A]` a level: the class, `numClasses` for background, or -1 for an anchor that learns nothing. */
  readonly labels: readonly Int32Array[];
  /** `[P]`: the numbers of the anchors that have a box, ascending. */
  readonly positives: Int32Array;
  /** `[P]`: the image of each positive anchor. */
  readonly images: Int32Array;
  /** `[P * 4]`: the positive anchors, `x1, y1, x2, y2`, in pixels. */
  readonly anchors: Float32Array;
  /** `[P * 4]`: their boxes, `x1, y1, x2, y2`, in pixels. */
  readonly boxes: Float32Array;
  /** `[P * 4]`: dx, dy, dw, dh. */
  readonly deltas: Float32Array;
  /** Σ over images of max(positives, 1), by which both losses are divided. */
  readonly divisor: number;
}

// Anchors whose cell lies in the padded image; the rest take no part. [A]
function validAnchors(
  { sizes, strides }: AnchorGrid,
  bases: readonly Float32Array[],
  counts: readonly number[],
  padded: ImageSize,
): Uint8Array {
  const valid = new Uint8Array(counts.reduce((a, b) => a + b, 0));
  let first = 0;
  sizes.forEach(({ height, width }, l) => {
    const perCell = bases[l]!.length / 4;
    const rows = Math.min(Math.ceil(padded.height / strides[l]!), height);
    const columns = Math.min(Math.ceil(padded.width / strides[l]!), width);
    for (let y = 0; y < rows; y++) {
      const row = first + y * width * perCell;
      valid.fill(1, row, row + columns * perCell);
    }
    first += counts[l]!;
  });
  return valid;
}

/** The anchors of one level of one image that have a box, ascending, and those boxes. */
interface Owned {
  readonly anchors: number[];
  readonly boxes: number[];
}

// Writes down what the owners of one level of one image mean.
function collectOwned(owners: Int32Array, truth: GroundTruth, labels: Int32Array, { anchors, boxes }: Owned): void {
  for (let i = 0; i < owners.length; i++) {
    const box = owners[i]!;
    if (box === BACKGROUND) continue;
    if (box === IGNORED) {
      labels[i] = -1;
      continue;
    }
    labels[i] = truth.labels[box]!;
    anchors.push(i);
    boxes.push(box);
  }
}

/**
 * Assigns boxes to the anchors of a batch.
 *
 * @param truths the objects of each image, in pixels of the network's input
 * @param sizes rows and columns of each level's map
 * @param options classes, strides, anchors and thresholds
 * @param padded the part of the network's input that each image fills, its own padding included; anchors of cells outside take no
 *   part. Default: all of it.
 * @returns labels of all anchors, and boxes and shifts of the positive ones
 * @throws ShapeError or DatasetError on annotations that cannot be used
 * @example assignRetinaTargets(truths, [{ height: 100, width: 152 }], { numClasses: 80, strides: [8] })
 */
export function assignRetinaTargets(
  truths: readonly GroundTruth[],
  sizes: readonly MapSize[],
  { numClasses, strides, anchors: shapes, assign }: RetinaAssignOptions,
  padded?: readonly ImageSize[],
): RetinaTargets {
  checkTruths(truths, numClasses);
  const grid = { sizes, strides, ...(shapes ? { anchors: shapes } : {}) };
  const bases = strides.map((stride) => baseAnchors(stride, shapes));
  const counts = sizes.map(({ height, width }, l) => (height * width * bases[l]!.length) / 4);
  const labels = counts.map((n) => new Int32Array(truths.length * n).fill(numClasses));
  const found = counts.map(() => truths.map((): Owned => ({ anchors: [], boxes: [] })));
  const assignImage = createGridAssigner(grid, assign);
  let divisor = 0;
  truths.forEach((truth, image) => {
    const valid = padded ? validAnchors(grid, bases, counts, padded[image]!) : undefined;
    const owner = assignImage(truth, valid);
    let first = 0;
    let positives = 0;
    counts.forEach((n, l) => {
      const own = found[l]![image]!;
      const owners = owner.subarray(first, first + n);
      collectOwned(owners, truth, labels[l]!.subarray(image * n, (image + 1) * n), own);
      first += n;
      positives += own.anchors.length;
    });
    divisor += Math.max(positives, 1);
  });

  const count = found.flat().reduce((n, { boxes }) => n + boxes.length, 0);
  const positives = new Int32Array(count);
  const images = new Int32Array(count);
  const anchors = new Float32Array(4 * count);
  const boxes = new Float32Array(4 * count);
  let at = 0;
  let base = 0;
  counts.forEach((n, l) => {
    truths.forEach((truth, image) => {
      const own = found[l]![image]!;
      own.anchors.forEach((i, k) => {
        positives[at] = base + image * n + i;
        images[at] = image;
        writeAnchor(bases[l]!, i, strides[l]!, sizes[l]!.width, anchors, 4 * at);
        const box = own.boxes[k]!;
        for (let side = 0; side < 4; side++) boxes[4 * at + side] = truth.boxes[4 * box + side]!;
        at++;
      });
    });
    base += truths.length * n;
  });
  return { labels, positives, images, anchors, boxes, deltas: encodeDeltas(anchors, boxes), divisor };
}
