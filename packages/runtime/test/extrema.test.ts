import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, integers, onCpu, onWasm, seeded, uniform, useWasm } from "./harness";

beforeAll(useWasm);

describe.each([tf.Maximum, tf.Minimum])("%s", (kernel) => {
  it("agrees with the cpu backend for equal shapes, single values and other broadcasts", () => {
    const random = seeded(51);
    for (const [left, right] of [
      [[7], [7]],
      [
        [3, 5],
        [3, 5],
      ],
      [[2, 9], []],
      [[], [4, 2]],
      [[1, 1, 1], [6]],
      [[5], [1]],
      [[3, 4], [4]],
      [[0], [0]],
    ]) {
      const [a, b] = [uniform(random, left!), uniform(random, right!)];
      expectClose(onWasm(kernel, { a, b })[0]!, onCpu(kernel, { a, b })[0]!, 1e-9);
    }
  });

  it("lets NaN through, and leaves integers to tfjs", () => {
    const a = { values: Float32Array.of(1, Number.NaN, 3, 4, Number.NaN), shape: [5] };
    const b = { values: Float32Array.of(2), shape: [] };
    const isNaNs = Array.from(onWasm(kernel, { a, b })[0]!.values, Number.isNaN);
    expect(isNaNs).toEqual([false, true, false, false, true]);
    const whole = { a: integers([1, 5, -3]), b: integers([2, 2, 2]) };
    expectClose(onWasm(kernel, whole)[0]!, onCpu(kernel, whole)[0]!, 1e-9);
  });
});
