import { ConfigError, paddedSize, resizedSize, ShapeError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clipBoxes, flipBoxes, scaleBoxes, unscaleBoxes } from "../src/index";

const side = fc.integer({ min: 1, max: 5000 });
const size = fc.record({ height: side, width: side });
const target = fc
  .tuple(fc.integer({ min: 16, max: 1000 }), fc.integer({ min: 0, max: 1000 }))
  .map(([shorter, more]) => ({ shorter, longer: shorter + more }));
const fraction = fc.double({ min: 0, max: 1, noNaN: true });

// Boxes within an image of this size.
function boxesIn({ height, width }: { height: number; width: number }) {
  const span = fc.tuple(fraction, fraction).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  return fc
    .array(fc.tuple(span, span), { maxLength: 8 })
    .map((list) =>
      Float32Array.from(list.flatMap(([x, y]) => [x[0] * width, y[0] * height, x[1] * width, y[1] * height])),
    );
}

const imageWithBoxes = size.chain((s) => boxesIn(s).map((boxes) => ({ size: s, boxes })));

function expectClose(actual: Float32Array, wanted: Float32Array, tolerance: number) {
  expect(actual.length).toBe(wanted.length);
  actual.forEach((v, i) => {
    expect(Math.abs(v - wanted[i]!)).toBeLessThanOrEqual(tolerance);
  });
}

describe("resizedSize", () => {
  it("fits the target, touches one of its bounds and keeps the aspect ratio to half a pixel", () => {
    fc.assert(
      fc.property(size, target, (s, t) => {
        const out = resizedSize(s, t);
        const long = Math.max(out.height, out.width);
        const short = Math.min(out.height, out.width);
        expect(long).toBeLessThanOrEqual(t.longer);
        expect(short).toBeLessThanOrEqual(t.shorter);
        expect(long === t.longer || short === t.shorter).toBe(true);
        const scale = Math.min(t.longer / Math.max(s.height, s.width), t.shorter / Math.min(s.height, s.width));
        expect(Math.abs(out.width - s.width * scale)).toBeLessThanOrEqual(s.width * scale < 0.5 ? 1 : 0.5 + 1e-9);
        expect(out.scaleX).toBe(out.width / s.width);
        expect(out.scaleY).toBe(out.height / s.height);
      }),
    );
  });

  it.each([
    [480, 640, 800, 1333, 800, 1067],
    [480, 640, 600, 1000, 600, 800],
    [427, 640, 600, 1000, 600, 899],
    [200, 640, 600, 1000, 313, 1000],
    [640, 200, 600, 1000, 1000, 313],
    [1, 5000, 600, 1000, 1, 1000],
  ])("turns %d × %d at (%d, %d) into %d × %d", (height, width, shorter, longer, toHeight, toWidth) => {
    expect(resizedSize({ height, width }, { shorter, longer })).toMatchObject({ height: toHeight, width: toWidth });
  });

  it.each([
    [0, 10],
    [20, 10],
    [Number.NaN, 10],
    [10, Number.POSITIVE_INFINITY],
  ])("refuses the bounds %d and %d", (shorter, longer) => {
    expect(() => resizedSize({ height: 1, width: 1 }, { shorter, longer })).toThrow(ConfigError);
  });
});

describe("boxes", () => {
  it("come back from scaling", () => {
    fc.assert(
      fc.property(imageWithBoxes, target, ({ size: s, boxes }, t) => {
        const scale = resizedSize(s, t);
        expectClose(unscaleBoxes(scaleBoxes(boxes, scale), scale), boxes, 5000 * 2 ** -22);
      }),
    );
  });

  it("come back from flipping, and stay ordered", () => {
    fc.assert(
      fc.property(imageWithBoxes, ({ size: s, boxes }) => {
        const flipped = flipBoxes(boxes, s.width);
        for (let i = 0; i < flipped.length; i += 4) expect(flipped[i]!).toBeLessThanOrEqual(flipped[i + 2]!);
        expectClose(flipBoxes(flipped, s.width), boxes, 5000 * 2 ** -22);
      }),
    );
  });

  it("come back from scaling, flipping and clipping together when they lie inside", () => {
    fc.assert(
      fc.property(imageWithBoxes, target, ({ size: s, boxes }, t) => {
        const out = resizedSize(s, t);
        const there = clipBoxes(flipBoxes(scaleBoxes(boxes, out), out.width), out);
        const back = unscaleBoxes(flipBoxes(there, out.width), out);
        const pixel = Math.max(1, 1 / out.scaleX, 1 / out.scaleY);
        expectClose(back, boxes, 5000 * 2 ** -20 * pixel);
      }),
    );
  });

  it("are cut at the border and unchanged within it", () => {
    const boxes = new Float32Array([-5, -6, 200, 300, 1, 2, 3, 4]);
    expect([...clipBoxes(boxes, { height: 50, width: 100 })]).toEqual([0, 0, 100, 50, 1, 2, 3, 4]);
  });

  it("are not changed in place", () => {
    const boxes = new Float32Array([1, 2, 3, 4]);
    const scale = { scaleX: 2, scaleY: 3 };
    scaleBoxes(boxes, scale);
    unscaleBoxes(boxes, scale);
    flipBoxes(boxes, 10);
    clipBoxes(boxes, { height: 1, width: 1 });
    expect([...boxes]).toEqual([1, 2, 3, 4]);
  });

  it("come in fours", () => {
    expect(() => flipBoxes(new Float32Array(3), 10)).toThrow(ShapeError);
    expect(() => scaleBoxes(new Float32Array(5), { scaleX: 1, scaleY: 1 })).toThrow(ShapeError);
  });
});

describe("paddedSize", () => {
  it("gives the least multiples that hold the image", () => {
    fc.assert(
      fc.property(size, fc.constantFrom(1, 32, 64), (s, multiple) => {
        const out = paddedSize(s, multiple);
        for (const key of ["height", "width"] as const) {
          expect(out[key] % multiple).toBe(0);
          expect(out[key] - s[key]).toBeGreaterThanOrEqual(0);
          expect(out[key] - s[key]).toBeLessThan(multiple);
        }
      }),
    );
  });

  it("refuses a multiple of 0", () => {
    expect(() => paddedSize({ height: 1, width: 1 }, 0)).toThrow(ConfigError);
  });
});
