// The points at which an anchor-free head predicts: one a cell of a feature map, in pixels of the network's input (FCOS §3.1).
// Numbers only; nothing here knows boxes or tensors.

/** Rows and columns of one feature map. */
export interface MapSize {
  readonly height: number;
  readonly width: number;
}

/**
 * Lists the points of one level: cell i lies at `stride * i + floor(stride / 2)`.
 *
 * @param size rows and columns of the feature map
 * @param stride pixels of the network's input for one cell
 * @returns `[H * W * 2]`, x and y of each cell, row by row, in pixels
 * @example fcosPoints({ height: 2, width: 2 }, 8) // 4, 4, 12, 4, 4, 12, 12, 12
 */
export function fcosPoints({ height, width }: MapSize, stride: number): Float32Array {
  const half = Math.floor(stride / 2);
  const points = new Float32Array(height * width * 2);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      points[at++] = stride * x + half;
      points[at++] = stride * y + half;
    }
  }
  return points;
}
