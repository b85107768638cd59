import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, type Input, onWasm, seeded, sizeOf, uniform, useWasm } from "./harness";

beforeAll(useWasm);

/** The product in double precision; `outer` is the broadcast batch shape. */
function product(
  a: Input,
  b: Input,
  outer: number[],
  [m, n, k]: [number, number, number],
  transposeA: boolean,
  transposeB: boolean,
): Float64Array {
  const out = new Float64Array(sizeOf(outer) * m * n);
  const matrix = (own: number[], index: number[]) =>
    own.reduce((at, size, axis) => at * size + (size === 1 ? 0 : index[axis + outer.length - own.length]!), 0);
  for (let batch = 0; batch < sizeOf(outer); batch++) {
    const index: number[] = [];
    for (let axis = outer.length - 1, rest = batch; axis >= 0; rest = Math.floor(rest / outer[axis]!), axis--) {
      index[axis] = rest % outer[axis]!;
    }
    const fromA = matrix(a.shape.slice(0, -2), index) * m * k;
    const fromB = matrix(b.shape.slice(0, -2), index) * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum +=
            a.values[fromA + (transposeA ? p * m + i : i * k + p)]! *
            b.values[fromB + (transposeB ? j * k + p : p * n + j)]!;
        }
        out[(batch * m + i) * n + j] = sum;
      }
    }
  }
  return out;
}

describe("BatchMatMul", () => {
  it("agrees with double precision, either side transposed, batches broadcast", () => {
    const random = seeded(1);
    const pick = (options: number[]) => options[Math.floor(random() * options.length)]!;
    for (let round = 0; round < 120; round++) {
      const [m, n, k] = [pick([1, 2, 5, 6, 31, 64]), pick([1, 3, 8, 9, 20, 64]), pick([1, 4, 5, 17, 300, 520])];
      const transposeA = random() < 0.5;
      const transposeB = random() < 0.5;
      const batches = [
        [[], []],
        [[2], [2]],
        [[1], [3]],
        [[2, 3], [3]],
        [[3], [2, 1]],
      ][round % 5]! as number[][];
      const a = uniform(random, [...batches[0]!, ...(transposeA ? [k, m] : [m, k])]);
      const b = uniform(random, [...batches[1]!, ...(transposeB ? [n, k] : [k, n])]);
      const outer = tf.broadcast_util.assertAndGetBroadcastShape(batches[0]!, batches[1]!);
      const expected = product(a, b, outer, [m, n, k], transposeA, transposeB);
      const [got] = onWasm(tf.BatchMatMul, { a, b }, { transposeA, transposeB });
      expectClose(got!, { values: expected, shape: [...outer, m, n] });
    }
  });

  it("refuses inner sizes that differ", () => {
    const random = seeded(2);
    const [a, b] = [uniform(random, [3, 4]), uniform(random, [2, 5])];
    expect(() => onWasm(tf.BatchMatMul, { a, b }, { transposeA: false, transposeB: true })).toThrow(/not 4 and 5/);
  });
});
