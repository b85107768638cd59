// What a heatmap of object centres should look like (Zhou et al. 2019, §3; the radius is CornerNet's, Law and Deng 2018, §3.2). Typed
// arrays only: targets are constants of the loss. One map, at the stride that the head predicts at.
import { DatasetError, type GroundTruth } from "@caddet/core";

/** The map that targets are made for. */
export interface CenterGrid {
  /** Rows of the map. */
  readonly height: number;
  /** Columns of the map. */
  readonly width: number;
  /** Pixels of the network's input for one cell. */
  readonly stride: number;
  readonly numClasses: number;
}

/** The targets of a batch. */
export interface CenterTargets {
  /** `[B * H * W * C]` in [0, 1]: 1 in the cell of a centre, a Gaussian around it of at least one cell's radius. */
  readonly heat: Float32Array;
  /** `[B * H * W]`: 1 in the cell of a centre. */
  readonly mask: Float32Array;
  /** `[B * H * W * 2]`: width and height of the box whose centre lies in the cell, in cells. */
  readonly size: Float32Array;
  /** `[B * H * W * 2]`: where in its cell the centre lies, x and y in [0, 1). */
  readonly offset: Float32Array;
  /** How many objects became targets. */
  readonly objects: number;
}

/**
 * How far both corners of a box can be off, in the least favourable way, for the IoU to stay at `overlap`.
 *
 * @param width of the box, in any unit
 * @param height of the box
 * @param overlap smallest IoU, in (0, 1). Default 0.7
 * @returns the radius, in the same unit
 * @example gaussianRadius(10, 10) // 0.82
 */
export function gaussianRadius(width: number, height: number, overlap = 0.7): number {
  const [sum, area] = [width + height, width * height];
  const shifted = (sum - Math.sqrt(sum ** 2 - (4 * area * (1 - overlap)) / (1 + overlap))) / 2;
  const shrunk = (sum - Math.sqrt(sum ** 2 - 4 * area * (1 - overlap))) / 4;
  const grown = (Math.sqrt((overlap * sum) ** 2 + 4 * overlap * (1 - overlap) * area) - overlap * sum) / (4 * overlap);
  return Math.min(shifted, shrunk, grown);
}

// The larger of two Gaussians of one class counts.
function splat(
  heat: Float32Array,
  grid: CenterGrid,
  at: { x: number; y: number; label: number; radius: number },
): void {
  const { x, y, label, radius } = at;
  const deviation = (2 * radius + 1) / 6;
  for (let row = Math.max(0, y - radius); row <= Math.min(grid.height - 1, y + radius); row++) {
    for (let column = Math.max(0, x - radius); column <= Math.min(grid.width - 1, x + radius); column++) {
      const i = (row * grid.width + column) * grid.numClasses + label;
      const distance = (row - y) ** 2 + (column - x) ** 2;
      heat[i] = Math.max(heat[i]!, Math.exp(-distance / (2 * deviation ** 2)));
    }
  }
}

/**
 * Makes the targets of a batch. Crowds, boxes without area and boxes whose centre lies off the map are left out; of two centres in one
 * cell the later one gives size and offset.
 *
 * @param truths the objects of each image, in pixels of the network's input
 * @param grid the map
 * @returns heatmap, sizes and offsets
 * @throws DatasetError when a label is out of range or a coordinate is not finite
 * @example centerTargets([truth], { height: 12, width: 12, stride: 8, numClasses: 3 }).objects
 */
export function centerTargets(truths: readonly GroundTruth[], grid: CenterGrid): CenterTargets {
  const { height, width, stride, numClasses } = grid;
  const cells = height * width;
  const heat = new Float32Array(truths.length * cells * numClasses);
  const mask = new Float32Array(truths.length * cells);
  const size = new Float32Array(truths.length * cells * 2);
  const offset = new Float32Array(truths.length * cells * 2);
  let objects = 0;
  for (const [image, { boxes, labels, crowd }] of truths.entries()) {
    const own = heat.subarray(image * cells * numClasses, (image + 1) * cells * numClasses);
    for (const [n, label] of labels.entries()) {
      if (crowd[n]) continue;
      const box = Array.from(boxes.subarray(4 * n, 4 * n + 4), (v) => v / stride);
      const [x1, y1, x2, y2] = box as [number, number, number, number];
      if (!box.every(Number.isFinite) || label < 0 || label >= numClasses) {
        throw new DatasetError(
          `Image ${image} of the batch has a box [${box.map((v) => v * stride)}] of label ${label}; ` +
            `coordinates must be finite and labels lie in 0..${numClasses - 1}. Repair or remove it.`,
          { image, label },
        );
      }
      const [w, h, cx, cy] = [x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2];
      const [x, y] = [Math.floor(cx), Math.floor(cy)];
      if (!(w > 0 && h > 0) || x < 0 || y < 0 || x >= width || y >= height) continue;
      splat(own, grid, { x, y, label, radius: Math.max(1, Math.floor(gaussianRadius(w, h))) });
      const cell = image * cells + y * width + x;
      mask[cell] = 1;
      size.set([w, h], 2 * cell);
      offset.set([cx - x, cy - y], 2 * cell);
      objects++;
    }
  }
  return { heat, mask, size, offset, objects };
}
