// Sizes of the supernet's maps inside the graph, and what follows from them alone: shapes, pooling matrices, cell counts. Known numbers
// where the export fixes the input's size, computed when the model runs where it does not.

import type { Size } from "@caddet/core";
import { scaleSizes } from "@caddet/supernet";
import type { Condition, Scope, Value } from "./graph";

/** What a graph knows of its maps. Scales count from 0, fine to coarse. */
export interface Grid {
  /** `[H, W]` int64 of a scale's maps. */
  sizeAt(scale: number): Value;
  /** `[B, C, H, W]` int64. */
  shapeAt(scale: number): Value;
  /** `[S]` int64: cells of every scale's map. */
  readonly cells: Value;
  /** `[S]`: rows and columns of every scale's maps, where they are known. */
  readonly known: readonly (readonly [number, number])[] | undefined;
  /** Averages a map of a scale to `bins` × `bins`: `[B, C, H, W]` to `[B, bins², C]`. */
  pool(scope: Scope, x: Value, scale: number, bins: number): Value;
  /** Whether the finer scale has exactly twice the rows and columns of this one. */
  doubles(scale: number): Condition;
}

/** Options of {@link createGrid}. */
export interface GridOptions {
  readonly channels: readonly number[];
  /** `[B, C, H, W]` at scale 0. */
  readonly finest: Value;
  /** Of the input, where it is fixed. */
  readonly size?: Size | undefined;
  /** Whether the graph may branch on a size that is not fixed. */
  readonly branches: boolean;
}

// Bin i of b covers floor(i · n / b) .. ceil((i + 1) · n / b) - 1. [b, n], rows that sum to 1
function binMatrix(n: number, bins: number): Float32Array {
  return Float32Array.from({ length: bins * n }, (_, at) => {
    const [i, cell] = [Math.floor(at / n), at % n];
    const [start, end] = [Math.floor((i * n) / bins), Math.ceil(((i + 1) * n) / bins)];
    return cell >= start && cell < end ? 1 / (end - start) : 0;
  });
}

// The same in the graph, of n in a tensor [1].
function binMatrixOf(scope: Scope, n: Value, bins: number): Value {
  const cell = scope.op("Range", [scope.ints(0), scope.op("Squeeze", [n]), scope.ints(1)], {}, "cell"); // [n]
  const column = (values: readonly number[]) => scope.ints(values, [bins, 1]);
  const indices = Array.from({ length: bins }, (_, i) => i);
  const divided = (numerators: Value) => scope.op("Div", [numerators, scope.ints([bins])]);
  const starts = divided(scope.op("Mul", [n, column(indices)])); // [b, 1]
  const above = scope.op("Add", [scope.op("Mul", [n, column(indices.map((i) => i + 1))]), scope.ints([bins - 1])]);
  const ends = divided(above);
  const inside = scope.op("And", [scope.op("GreaterOrEqual", [cell, starts]), scope.op("Less", [cell, ends])]);
  const members = scope.op("Cast", [inside], { to: 1 }, "members"); // [b, n]
  const sizes = scope.op("Cast", [scope.op("Sub", [ends, starts])], { to: 1 });
  return scope.op("Div", [members, sizes], {}, "bins");
}

/**
 * Adds the sizes of all scales to a graph.
 *
 * @param scope the main graph
 * @param options channels of the scales, the finest map, the input's size where it is fixed
 * @returns the sizes and what follows from them
 */
export function createGrid(scope: Scope, { channels, finest, size, branches }: GridOptions): Grid {
  const fixed = size && scaleSizes(size, channels.length);
  const batch = scope.op("Shape", [finest], { start: 0, end: 1 }, "batch");
  const sizes: Value[] = [];
  for (const s of channels.keys()) {
    if (fixed) sizes.push(scope.ints(fixed[s]!));
    else if (s === 0) sizes.push(scope.op("Shape", [finest], { start: 2, end: 4 }, "size_0"));
    else {
      const more = scope.op("Add", [sizes[s - 1]!, scope.ints(1)]);
      sizes.push(scope.op("Div", [more, scope.ints(2)], {}, `size_${s}`));
    }
  }
  const shapes = sizes.map((hw, s) =>
    scope.op("Concat", [batch, scope.ints([channels[s]!]), hw], { axis: 0 }, `shape_${s}`),
  );
  const counts = sizes.map((hw) => scope.op("ReduceProd", [hw], { keepdims: 1 }));
  const cells = fixed ? scope.ints(fixed.map(([h, w]) => h * w)) : scope.op("Concat", counts, { axis: 0 }, "cells");
  const matrices = new Map<string, Value>();
  // [bins², H · W]: the weight of each cell in each bin
  const matrixAt = (s: number, bins: number): Value => {
    const at = scope.at(`bins_${s}`);
    const [rows, columns] = fixed
      ? fixed[s]!.map((n) => at.floats(binMatrix(n, bins), [bins, n]))
      : at.ops("Split", [sizes[s]!], 2, { axis: 0 }).map((n) => binMatrixOf(at, n, bins));
    const byRow = at.op("Unsqueeze", [rows!, at.ints([1, 3])]); // [b, 1, H, 1]
    const byColumn = at.op("Unsqueeze", [columns!, at.ints([0, 2])]); // [1, b, 1, W]
    return at.op("Reshape", [at.op("Mul", [byRow, byColumn]), at.ints([bins * bins, -1])], {}, "matrix");
  };
  const doubles = (s: number): Condition => {
    if (fixed) return fixed[s]!.every((n, i) => 2 * n === fixed[s - 1]![i]);
    if (!branches) return false;
    const twice = scope.op("Mul", [sizes[s]!, scope.ints(2)]);
    const equal = scope.op("Cast", [scope.op("Equal", [twice, sizes[s - 1]!])], { to: 7 });
    const all = scope.op("ReduceMin", [equal], { keepdims: 0 });
    return scope.op("Cast", [all], { to: 9 }, `doubles_${s}`);
  };
  const conditions = channels.map((_, s) => (s === 0 ? false : doubles(s)));
  return {
    sizeAt: (s) => sizes[s]!,
    shapeAt: (s) => shapes[s]!,
    cells,
    known: fixed,
    pool: (at, x, s, bins) => {
      const key = `${s} ${bins}`;
      if (!matrices.has(key)) matrices.set(key, matrixAt(s, bins));
      const cellsOf = at.op("Reshape", [x, at.ints([0, channels[s]!, -1])], {}, "cells");
      // Runtimes merge the transposition into the product.
      const transposed = at.op("Transpose", [cellsOf], { perm: [0, 2, 1] });
      return at.op("MatMul", [matrices.get(key)!, transposed], {}, "pool");
    },
    doubles: (s) => conditions[s]!,
  };
}
