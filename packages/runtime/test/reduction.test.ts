import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, it } from "vitest";
import { expectClose, integers, onCpu, onWasm, seeded, uniform, useWasm } from "./harness";

beforeAll(useWasm);

describe.each([tf.Sum, tf.Mean])("%s", (kernel) => {
  it("agrees with the cpu backend over shapes and axes, neighbours or not", () => {
    const random = seeded(21);
    for (const [shape, axis] of [
      [[7], [0]],
      [[3, 5], [0]],
      [[3, 5], [1]],
      [
        [40, 33],
        [0, 1],
      ],
      [[2, 300, 17], [1]],
      [
        [2, 30, 20, 19],
        [0, 1, 2],
      ],
      [
        [2, 3, 4, 21],
        [1, 2],
      ],
      [
        [2, 3, 4, 5],
        [1, 2, 3],
      ],
      [
        [2, 3, 4, 5],
        [0, 2],
      ],
      [
        [4, 1, 6, 1],
        [1, 3],
      ],
      [[4, 1, 6, 3], [1]],
      [[5000, 4], [0]],
      [[2, 5000], [-1]],
    ] as [number[], number[]][]) {
      for (const keepDims of [false, true]) {
        const x = uniform(random, shape);
        expectClose(onWasm(kernel, { x }, { axis, keepDims })[0]!, onCpu(kernel, { x }, { axis, keepDims })[0]!);
      }
    }
  });

  it("leaves integers to tfjs", () => {
    const x = integers([1, 2, 3, 4, 5, 6], [2, 3]);
    const attrs = { axis: [1], keepDims: false };
    expectClose(onWasm(kernel, { x }, attrs)[0]!, onCpu(kernel, { x }, attrs)[0]!);
  });
});
