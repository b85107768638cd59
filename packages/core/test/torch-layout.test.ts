import { describe, expect, it } from "vitest";
import { CheckpointError, fromTorchLayout, type StoredArray } from "../src";

const stored = (shape: number[]): StoredArray => ({
  dtype: "F32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
});

const at = ({ shape, data }: StoredArray, ...index: number[]) =>
  data[index.reduce((sum, v, axis) => sum * shape[axis]! + v, 0)];

describe("fromTorchLayout", () => {
  it("moves OIHW to HWIO", () => {
    const torch = stored([2, 3, 4, 5]);
    const got = fromTorchLayout(torch, "conv");
    expect(got.shape).toEqual([4, 5, 3, 2]);
    for (let o = 0; o < 2; o++)
      for (let i = 0; i < 3; i++)
        for (let h = 0; h < 4; h++) for (let w = 0; w < 5; w++) expect(at(got, h, w, i, o)).toBe(at(torch, o, i, h, w));
  });

  it("moves C1HW to HWC1", () => {
    const torch = stored([3, 1, 2, 5]);
    const got = fromTorchLayout(torch, "depthwise");
    expect(got.shape).toEqual([2, 5, 3, 1]);
    for (let c = 0; c < 3; c++)
      for (let h = 0; h < 2; h++) for (let w = 0; w < 5; w++) expect(at(got, h, w, c, 0)).toBe(at(torch, c, 0, h, w));
  });

  it("transposes matrices and copies vectors", () => {
    expect(fromTorchLayout(stored([2, 3]), "linear")).toEqual({
      dtype: "F32",
      shape: [3, 2],
      data: Float32Array.of(0, 3, 1, 4, 2, 5),
    });
    const vector = stored([3]);
    const got = fromTorchLayout(vector, "vector");
    expect(got).toEqual(vector);
    expect(got.data).not.toBe(vector.data);
  });

  it("refuses another rank or type", () => {
    expect(() => fromTorchLayout(stored([2, 3]), "conv", "stem.weight")).toThrow(
      '"stem.weight" should be a float32 array of rank 4 (conv), got F32 [2,3].',
    );
    expect(() => fromTorchLayout({ dtype: "I32", shape: [1], data: new Int32Array(1) }, "vector")).toThrow(
      CheckpointError,
    );
  });
});
