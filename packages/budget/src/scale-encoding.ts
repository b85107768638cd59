// Scale encoding: which intervals of object size occur in an image (Section 3.2, Figure 3; the intervals are Section 3.4's).
// It looks at boxes only; what becomes of the encoding is the business of a budget mapping or of path similarity.
import { ConfigError, DatasetError, ShapeError } from "@caddet/core";

/** The upper ends of the paper's intervals [0, 64], (64, 150], (150, 360] and (360, ∞), in pixels. */
export const PAPER_INTERVALS: readonly number[] = [64, 150, 360];

/** Options of {@link encodeScales}. */
export interface EncodeScalesOptions {
  /** Upper ends of all intervals but the last, inclusive, ascending, in pixels. Default {@link PAPER_INTERVALS}. */
  readonly intervals?: ArrayLike<number>;
  /** `[N]`, 1 where a box covers a crowd; those boxes are left out. Default: none. */
  readonly crowd?: ArrayLike<number>;
}

function checkIntervals(ends: ArrayLike<number>): void {
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i]!;
    if (!Number.isFinite(end) || end <= (i === 0 ? 0 : ends[i - 1]!)) {
      throw new ConfigError(
        `Scale intervals must be finite, positive and ascending, got [${Array.from(ends)}]. The paper's are [${PAPER_INTERVALS}].`,
        { intervals: Array.from(ends) },
      );
    }
  }
}

/**
 * Marks the scale intervals in which an image has at least one object; the longer side of its box decides.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels (by convention those of the network's input)
 * @param options intervals and crowd flags
 * @returns `[m]`, m = `intervals.length + 1`, 1 where an object's longer side lies in the interval; all 0 without objects
 * @throws ConfigError when the intervals are not ascending; ShapeError when lengths do not fit; DatasetError when a box is
 * not finite
 * @example encodeScales(new Float32Array([0, 0, 30, 64, 0, 0, 200, 10])) // 1, 0, 1, 0
 */
export function encodeScales(
  boxes: Float32Array,
  { intervals = PAPER_INTERVALS, crowd }: EncodeScalesOptions = {},
): Uint8Array {
  checkIntervals(intervals);
  const n = boxes.length / 4;
  if (!Number.isInteger(n)) {
    throw new ShapeError(`Boxes need 4 numbers each (x1, y1, x2, y2), got ${boxes.length} numbers.`);
  }
  if (crowd && crowd.length !== n) {
    throw new ShapeError(`Crowd flags need one number a box, got ${crowd.length} for ${n} boxes.`);
  }
  const encoding = new Uint8Array(intervals.length + 1);
  for (let i = 0; i < n; i++) {
    if (crowd?.[i]) continue;
    const [x1, y1, x2, y2] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    const longerSide = Math.max(x2 - x1, y2 - y1);
    if (!Number.isFinite(longerSide)) {
      throw new DatasetError(`Box ${i} is [${x1}, ${y1}, ${x2}, ${y2}]; boxes must be finite. Remove or repair it.`, {
        box: i,
      });
    }
    let interval = 0;
    while (interval < intervals.length && longerSide > intervals[interval]!) interval++;
    encoding[interval] = 1;
  }
  return encoding;
}
