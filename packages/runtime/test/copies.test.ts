import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, integers, onCpu, onWasm, seeded, sizeOf, uniform, useWasm } from "./harness";

beforeAll(useWasm);

describe("GatherV2", () => {
  it("agrees with the cpu backend along any axis, for floats and integers", () => {
    const random = seeded(31);
    for (const [shape, axis, ids] of [
      [[7], 0, [[3, 3, 0, 6], [4]]],
      [[5, 6], 0, [[4, 0, 1], [3]]],
      [
        [2, 5, 3],
        1,
        [
          [1, 4, 4, 0],
          [2, 2],
        ],
      ],
      [[2, 5, 3], 2, [[2], []]],
    ] as [number[], number, [number[], number[]]][]) {
      const indices = integers(...ids);
      const attrs = { axis, batchDims: 0 };
      const x = uniform(random, shape);
      expectClose(onWasm(tf.GatherV2, { x, indices }, attrs)[0]!, onCpu(tf.GatherV2, { x, indices }, attrs)[0]!, 1e-9);
      const whole = integers(
        Array.from({ length: sizeOf(shape) }, (_, i) => i * i),
        shape,
      );
      const inputs = { x: whole, indices };
      expectClose(onWasm(tf.GatherV2, inputs, attrs)[0]!, onCpu(tf.GatherV2, inputs, attrs)[0]!, 1e-9);
    }
  });

  it("leaves batch dimensions to tfjs, and refuses an index outside", () => {
    const x = uniform(seeded(32), [2, 4, 3]);
    const batched = { x, indices: integers([0, 3, 2, 1], [2, 2]) };
    const attrs = { axis: 1, batchDims: 1 };
    expectClose(onWasm(tf.GatherV2, batched, attrs)[0]!, onCpu(tf.GatherV2, batched, attrs)[0]!, 1e-9);
    const outside = { x, indices: integers([0, 4]) };
    expect(() => onWasm(tf.GatherV2, outside, { axis: 1, batchDims: 0 })).toThrow(/index 4 for axis 1 of size 4/);
  });
});

describe("Tile", () => {
  it("agrees with the cpu backend for repeats along any axes", () => {
    const random = seeded(33);
    for (const [shape, reps] of [
      [[3], [4]],
      [
        [1, 1, 5],
        [3, 2, 1],
      ],
      [
        [2, 3],
        [1, 1],
      ],
      [
        [2, 1, 3],
        [2, 7, 2],
      ],
      [
        [2, 1],
        [3, 9],
      ],
      [
        [2, 3, 1, 2],
        [2, 1, 3, 2],
      ],
      [[4], [0]],
    ]) {
      const x = uniform(random, shape!);
      expectClose(onWasm(tf.Tile, { x }, { reps })[0]!, onCpu(tf.Tile, { x }, { reps })[0]!, 1e-9);
    }
  });
});
