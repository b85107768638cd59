import { fcosPoints } from "@caddet/heads";
import { expect, it } from "vitest";
import { golden } from "./golden";

it("puts cell i at stride * i + floor(stride / 2), row by row", () => {
  expect([...fcosPoints({ height: 2, width: 3 }, 8)]).toEqual([4, 4, 12, 4, 20, 4, 4, 12, 12, 12, 20, 12]);
  expect([...fcosPoints({ height: 1, width: 2 }, 5)]).toEqual([2, 2, 7, 2]);
  expect(fcosPoints({ height: 0, width: 3 }, 8).length).toBe(0);
});

it("has the reference's points on all levels", () => {
  const { config, inputs, expected } = golden<{
    config: { strides: number[] };
    inputs: { cls_scores: { shape: number[] }[] };
    expected: { points: { data: number[] }[] };
  }>("fcos/01-default-hand");
  inputs.cls_scores.forEach(({ shape }, l) => {
    const points = fcosPoints({ height: shape[2]!, width: shape[3]! }, config.strides[l]!);
    expect([...points]).toEqual(expected.points[l]!.data);
  });
});
