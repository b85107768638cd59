// RetinaNet's anchors (Lin et al. 2017, §4): boxes of a few scales and ratios centred on every cell's corner.
// Order and float32 rounding are mmdetection's, since equal overlaps decide in max-iou-assign.ts.
import type { MapSize } from "./points";

const { fround } = Math;

/** Which shapes the anchors of a cell have. */
export interface AnchorOptions {
  /** Side of the smallest square anchor, in strides. Default 4. */
  readonly baseScale?: number;
  /** Sizes between one octave and the next. Default 3. */
  readonly scalesPerOctave?: number;
  /** Height over width. Default 0.5, 1, 2. */
  readonly ratios?: readonly number[];
}

/**
 * Lists the anchors of the cell at the origin: for each ratio every scale.
 *
 * @param stride pixels of the network's input for one cell
 * @param options scales and ratios
 * @returns `[A * 4]`, `x1, y1, x2, y2` an anchor, centred at 0, in pixels
 * @example baseAnchors(8).length / 4 // 9
 */
export function baseAnchors(
  stride: number,
  { baseScale = 4, scalesPerOctave = 3, ratios = [0.5, 1, 2] }: AnchorOptions = {},
): Float32Array {
  const scales = Array.from({ length: scalesPerOctave }, (_, k) => fround(baseScale * 2 ** (k / scalesPerOctave)));
  const anchors = ratios.flatMap((ratio) =>
    scales.flatMap((scale) => {
      const root = fround(Math.sqrt(fround(ratio)));
      const w = fround(fround(stride * fround(1 / root)) * scale) / 2;
      const h = fround(fround(stride * root) * scale) / 2;
      return [-w, -h, w, h];
    }),
  );
  return Float32Array.from(anchors);
}

/**
 * Writes one anchor, as {@link levelAnchors} lists it.
 *
 * @param bases the anchors of the cell at the origin, `[A * 4]`
 * @param i number of the anchor in its level
 * @param stride pixels of the network's input for one cell
 * @param width columns of the feature map
 * @param out takes `x1, y1, x2, y2`, in pixels
 * @param at where in `out`, default its start
 */
export function writeAnchor(
  bases: Float32Array,
  i: number,
  stride: number,
  width: number,
  out: Float32Array,
  at = 0,
): void {
  const perCell = bases.length / 4;
  const cell = Math.floor(i / perCell);
  const from = 4 * (i % perCell);
  const x = stride * (cell % width);
  const y = stride * Math.floor(cell / width);
  for (let k = 0; k < 4; k++) out[at + k] = bases[from + k]! + (k % 2 === 0 ? x : y);
}

/**
 * Lists the anchors of one level. Cell i's are centred at `stride * i`, without half a stride.
 *
 * @param size rows and columns of the feature map
 * @param stride pixels of the network's input for one cell
 * @param options scales and ratios
 * @returns `[H * W * A * 4]`, row by row, in a cell by ratio and scale, in pixels
 * @example levelAnchors({ height: 1, width: 2 }, 8)
 */
export function levelAnchors({ height, width }: MapSize, stride: number, options: AnchorOptions = {}): Float32Array {
  const base = baseAnchors(stride, options);
  const anchors = new Float32Array(height * width * base.length);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < base.length; k++) anchors[at++] = base[k]! + stride * (k % 2 === 0 ? x : y);
    }
  }
  return anchors;
}
