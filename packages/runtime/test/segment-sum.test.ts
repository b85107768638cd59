import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { expectClose, integers, onWasm, seeded, sizeOf, uniform, useWasm } from "./harness";

beforeAll(useWasm);

it("sums rows by segment, drops ids out of range, leaves empty segments zero", () => {
  const random = seeded(4);
  for (const [rows, rest, segments] of [
    [7, [5], 3],
    [40, [3, 4], 6],
    [9, [], 4],
    [1, [8], 1],
  ] as [number, number[], number][]) {
    const x = uniform(random, [rows, ...rest]);
    const ids = Array.from({ length: rows }, () => Math.floor(random() * (segments + 2)) - 1);
    const size = sizeOf(rest);
    const expected = new Float64Array(segments * size);
    for (let r = 0; r < rows; r++) {
      if (ids[r]! < 0 || ids[r]! >= segments) continue;
      for (let i = 0; i < size; i++) expected[ids[r]! * size + i]! += x.values[r * size + i]!;
    }
    const [sum] = onWasm(tf.UnsortedSegmentSum, { x, segmentIds: integers(ids) }, { numSegments: segments });
    expectClose(sum!, { values: expected, shape: [segments, ...rest] });
  }
});

it("refuses float ids", () => {
  const x = uniform(seeded(1), [3]);
  expect(() => onWasm(tf.UnsortedSegmentSum, { x, segmentIds: x }, { numSegments: 2 })).toThrow(/expected a int32/);
});
