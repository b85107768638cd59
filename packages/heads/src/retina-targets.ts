// RetinaNet's targets: which anchor learns which box, and as which shift. On the CPU in typed arrays.
// The rule itself is in max-iou-assign.ts.
import type { GroundTruth, ImageSize } from "@caddet/core";
import { type AnchorOptions, baseAnchors, levelAnchors } from "./anchors";
import { encodeDeltas } from "./coders";
import { assignMaxIou, BACKGROUND, IGNORED, type MaxIouOptions } from "./max-iou-assign";
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
  /** One array `[B * H_l * W_l * A]` a level: the class, or `numClasses` for background. */
  readonly labels: readonly Int32Array[];
  /** The same shape: 1, or 0 for an anchor that learns nothing. */
  readonly weights: readonly Float32Array[];
  /** `[P]`: the numbers of the anchors that have a box, ascending. */
  readonly positives: Int32Array;
  /** `[P]`: the image of each positive anchor. */
  readonly images: Int32Array;
  /** `[P * 4]`: dx, dy, dw, dh. */
  readonly deltas: Float32Array;
  /** Σ over images of max(positives, 1), by which both losses are divided. */
  readonly divisor: number;
}

// Anchors whose cell lies in the padded image; the rest take no part. [A]
function validAnchors(
  sizes: readonly MapSize[],
  strides: readonly number[],
  perCell: number,
  padded: ImageSize,
  count: number,
): Uint8Array {
  const valid = new Uint8Array(count);
  let first = 0;
  sizes.forEach(({ height, width }, l) => {
    const rows = Math.min(Math.ceil(padded.height / strides[l]!), height);
    const columns = Math.min(Math.ceil(padded.width / strides[l]!), width);
    for (let y = 0; y < rows; y++) {
      const row = first + y * width * perCell;
      valid.fill(1, row, row + columns * perCell);
    }
    first += height * width * perCell;
  });
  return valid;
}

/**
 * Assigns boxes to the anchors of a batch.
 *
 * @param truths the objects of each image, in pixels of the network's input
 * @param sizes rows and columns of each level's map
 * @param options classes, strides, anchors and thresholds
 * @param padded the part of the network's input that each image fills, its own padding included; anchors of cells outside take no
 *   part. Default: all of it.
 * @returns labels and weights of all anchors, and shifts of the positive ones
 * @throws ShapeError or DatasetError on annotations that cannot be used
 */
export function assignRetinaTargets(
  truths: readonly GroundTruth[],
  sizes: readonly MapSize[],
  { numClasses, strides, anchors: shapes, assign }: RetinaAssignOptions,
  padded?: readonly ImageSize[],
): RetinaTargets {
  checkTruths(truths, numClasses);
  const perLevel = sizes.map((size, l) => levelAnchors(size, strides[l]!, shapes));
  const counts = perLevel.map((anchors) => anchors.length / 4);
  const perCell = baseAnchors(1, shapes).length / 4;
  const all = new Float32Array(4 * counts.reduce((a, b) => a + b, 0));
  perLevel.reduce((at, anchors) => {
    all.set(anchors, at);
    return at + anchors.length;
  }, 0);

  const labels = counts.map((n) => new Int32Array(truths.length * n).fill(numClasses));
  const weights = counts.map((n) => new Float32Array(truths.length * n).fill(1));
  const found: { readonly number: number; readonly image: number; readonly anchor: number; readonly box: number }[] =
    [];
  let divisor = 0;
  truths.forEach((truth, image) => {
    const valid = padded ? validAnchors(sizes, strides, perCell, padded[image]!, all.length / 4) : undefined;
    const owner = assignMaxIou(all, truth, assign, valid);
    let first = 0;
    let base = 0;
    let positives = 0;
    counts.forEach((n, l) => {
      for (let i = 0; i < n; i++) {
        const box = owner[first + i]!;
        const at = image * n + i;
        if (box === IGNORED) weights[l]![at] = 0;
        if (box <= BACKGROUND) continue;
        labels[l]![at] = truth.labels[box]!;
        found.push({ number: base + at, image, anchor: first + i, box });
        positives++;
      }
      first += n;
      base += truths.length * n;
    });
    divisor += Math.max(positives, 1);
  });

  found.sort((a, b) => a.number - b.number);
  const anchors = found.flatMap(({ anchor }) => [...all.subarray(4 * anchor, 4 * anchor + 4)]);
  const boxes = found.flatMap(({ image, box }) => [...truths[image]!.boxes.subarray(4 * box, 4 * box + 4)]);
  return {
    labels,
    weights,
    positives: Int32Array.from(found, ({ number }) => number),
    images: Int32Array.from(found, ({ image }) => image),
    deltas: encodeDeltas(anchors, boxes),
    divisor,
  };
}
