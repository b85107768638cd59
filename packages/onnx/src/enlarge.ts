// A path up's resize to the next finer scale, bilinear with half-pixel centres. Runtimes have fast kernels for whole factors alone, and
// a map of odd rows or columns is not half of the finer one: where the sizes are known, that axis becomes a small matrix.
import type { Scope, Value } from "./graph";
import type { Grid } from "./grid";

/** Options of {@link enlarge}. */
export interface EnlargeOptions {
  /** Of the map, at least 1. */
  readonly scale: number;
  /** Channels of the map. */
  readonly channels: number;
  readonly grid: Grid;
  /** `[B, 1, 1, 1]`: multiplies the result; absent for 1. */
  readonly factor?: Value | undefined;
}

const SETTINGS = { mode: "linear", coordinate_transformation_mode: "half_pixel" };

// [from, to]: column j has the weights of the cells that new cell j lies between.
function interpolation(from: number, to: number): Float32Array {
  const matrix = new Float32Array(from * to);
  for (let j = 0; j < to; j++) {
    const at = Math.min(Math.max(((j + 0.5) * from) / to - 0.5, 0), from - 1);
    const cell = Math.floor(at);
    matrix[cell * to + j] = 1 - (at - cell);
    if (at > cell) matrix[(cell + 1) * to + j] = at - cell;
  }
  return matrix;
}

/**
 * Enlarges a map to the next finer scale.
 *
 * @param scope names and nodes
 * @param x `[B, C, H, W]`
 * @param options its scale, channels and factor; the sizes
 * @returns `[B, C, H', W']`, the finer scale's size
 */
export function enlarge(scope: Scope, x: Value, { scale, channels, grid, factor }: EnlargeOptions): Value {
  const gated = (at: Scope, map: Value) => (factor === undefined ? map : at.op("Mul", [map, factor], {}, "gated"));
  const times = (rows: number, columns: number) =>
    scope.op("Resize", [x, "", scope.floats([1, 1, rows, columns])], SETTINGS, "twice");
  const exact = grid.doubles(scale);
  if (exact === true) return gated(scope, times(2, 2));
  const [[, from], [, to]] = [grid.known?.[scale] ?? [0, 0], grid.known?.[scale - 1] ?? [0, 0]];
  if (grid.known && 2 * grid.known[scale]![0] === grid.known[scale - 1]![0]) {
    const columns = scope.weight("columns", interpolation(from, to), [from, to]);
    return scope.op("MatMul", [gated(scope, times(2, 1)), columns], {}, "columns");
  }
  const resized = (at: Scope) => {
    const batch = at.op("Shape", [x], { start: 0, end: 1 });
    const shape = at.op("Concat", [batch, at.ints([channels]), grid.sizeAt(scale - 1)], { axis: 0 });
    return at.op("Resize", [x, "", "", shape], SETTINGS, "resize");
  };
  if (exact === false) return gated(scope, resized(scope));
  // Made outside of the branch: there, right behind the convolution, it is all but free.
  const doubled = times(2, 2);
  return scope.when(
    exact,
    "enlarge",
    (branch) => gated(branch, doubled),
    (branch) => gated(branch, resized(branch)),
  );
}
