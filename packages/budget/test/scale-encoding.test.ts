import { ConfigError, DatasetError, ShapeError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeScales } from "../src";
import { cases } from "./goldens";

const square = (side: number) => [0, 0, side, side];
const encode = (...sides: number[]) => Array.from(encodeScales(Float32Array.from(sides.flatMap(square))));

describe("encodeScales", () => {
  it("marks exactly the intervals that a direct reading of the definition marks", () => {
    const box = fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 4, maxLength: 4 });
    const ends = fc.uniqueArray(fc.integer({ min: 1, max: 400 }), { maxLength: 5 }).map((a) => a.sort((x, y) => x - y));
    fc.assert(
      fc.property(fc.array(box, { maxLength: 8 }), ends, (boxes, intervals) => {
        const bounds = [Number.NEGATIVE_INFINITY, ...intervals, Number.POSITIVE_INFINITY];
        const want = bounds.slice(1).map((end, i) =>
          boxes.some(([x1, y1, x2, y2]) => {
            const side = Math.max(x2! - x1!, y2! - y1!);
            return side > bounds[i]! && side <= end;
          })
            ? 1
            : 0,
        );
        expect(Array.from(encodeScales(Float32Array.from(boxes.flat()), { intervals }))).toEqual(want);
      }),
    );
  });

  it.each(cases)("equals the reference: $name", ({ boxes, scaleEncoding }) => {
    expect(boxes.map((b) => Array.from(encodeScales(Float32Array.from(b))))).toEqual(scaleEncoding);
  });

  it("includes the upper end of an interval", () => {
    expect(encode(64)).toEqual([1, 0, 0, 0]);
    expect(encode(64.001, 150)).toEqual([0, 1, 0, 0]);
    expect(encode(360)).toEqual([0, 0, 1, 0]);
    expect(encode(360.001)).toEqual([0, 0, 0, 1]);
  });

  it("lets the longer side decide", () => {
    expect(Array.from(encodeScales(Float32Array.from([0, 0, 10, 400, 0, 0, 100, 5])))).toEqual([0, 1, 0, 1]);
  });

  it("gives zeros without boxes and without intervals one bin", () => {
    expect(encode()).toEqual([0, 0, 0, 0]);
    expect(Array.from(encodeScales(Float32Array.from(square(9)), { intervals: [] }))).toEqual([1]);
  });

  it("leaves crowds out", () => {
    const boxes = Float32Array.from([...square(10), ...square(400)]);
    expect(Array.from(encodeScales(boxes, { crowd: [0, 1] }))).toEqual([1, 0, 0, 0]);
  });

  it("refuses intervals that do not ascend", () => {
    const run = (intervals: number[]) => () => encodeScales(new Float32Array(0), { intervals });
    expect(run([150, 64])).toThrow(ConfigError);
    expect(run([64, 64])).toThrow("ascending, got [64,64]");
    expect(run([0, 64])).toThrow(ConfigError);
    expect(run([64, Number.POSITIVE_INFINITY])).toThrow(ConfigError);
    expect(run([Number.NaN])).toThrow(ConfigError);
  });

  it("refuses lengths that do not fit and boxes that are not finite", () => {
    expect(() => encodeScales(new Float32Array(6))).toThrow(ShapeError);
    expect(() => encodeScales(new Float32Array(8), { crowd: [0] })).toThrow("got 1 for 2 boxes");
    expect(() => encodeScales(Float32Array.from([0, 0, Number.NaN, 1]))).toThrow(DatasetError);
    expect(() => encodeScales(Float32Array.from([...square(1), 0, 0, Number.POSITIVE_INFINITY, 1]))).toThrow(
      /^Box 1 is/,
    );
  });
});
