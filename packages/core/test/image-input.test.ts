import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, IMAGENET_NORMALISATION, normalisationTable, paddedSize, resizedSize, writePixels } from "../src";

const side = fc.integer({ min: 1, max: 3000 });

describe("resizedSize", () => {
  it("fits the target, keeps the aspect ratio to half a pixel, and touches one of the bounds", () => {
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 1500 }), fc.nat(1500), (height, width, shorter, more) => {
        const longer = shorter + more;
        const got = resizedSize({ height, width }, { shorter, longer });
        const sides = [got.height, got.width].sort((a, b) => a - b) as [number, number];
        expect(sides[0]).toBeLessThanOrEqual(shorter);
        expect(sides[1]).toBeLessThanOrEqual(longer);
        expect(sides[0] === shorter || sides[1] === longer).toBe(true);
        const scale = Math.min(longer / Math.max(height, width), shorter / Math.min(height, width));
        expect(got.width === 1 || Math.abs(got.width - width * scale) <= 0.5 + 1e-9).toBe(true);
        expect(got.scaleX).toBe(got.width / width);
        expect(got.scaleY).toBe(got.height / height);
      }),
    );
  });

  it("gives the paper's sizes", () => {
    expect(resizedSize({ height: 480, width: 640 }, { shorter: 600, longer: 1000 })).toMatchObject({
      height: 600,
      width: 800,
    });
    expect(resizedSize({ height: 427, width: 640 }, { shorter: 800, longer: 1333 })).toMatchObject({
      height: 800,
      width: 1199,
    });
  });

  it.each([
    [0, 10],
    [20, 10],
    [10, Number.POSITIVE_INFINITY],
    [Number.NaN, 10],
  ])("refuses the bounds %d and %d", (shorter, longer) => {
    expect(() => resizedSize({ height: 1, width: 1 }, { shorter, longer })).toThrow(ConfigError);
  });
});

describe("paddedSize", () => {
  it("gives the next multiples", () => {
    expect(paddedSize({ height: 600, width: 800 }, 32)).toEqual({ height: 608, width: 800 });
    expect(paddedSize({ height: 1, width: 33 }, 32)).toEqual({ height: 32, width: 64 });
    expect(paddedSize({ height: 7, width: 9 }, 1)).toEqual({ height: 7, width: 9 });
  });

  it.each([0, -32, 1.5, Number.NaN])("refuses the multiple %d", (multiple) => {
    expect(() => paddedSize({ height: 1, width: 1 }, multiple)).toThrow(`positive integer, got ${multiple}`);
  });
});

describe("normalisationTable and writePixels", () => {
  it("gives every byte of every channel its normalised value", () => {
    const table = normalisationTable(IMAGENET_NORMALISATION);
    const { mean, std } = IMAGENET_NORMALISATION;
    for (let c = 0; c < 3; c++) {
      for (const v of [0, 1, 128, 255]) expect(table[256 * c + v]).toBe(Math.fround((v - mean[c]!) / std[c]!));
    }
  });

  it("refuses numbers that are not finite and deviations that are not positive", () => {
    const run = (std: readonly [number, number, number]) => () => normalisationTable({ mean: [0, 0, 0], std });
    expect(run([1, 0, 1])).toThrow(ConfigError);
    expect(run([1, Number.NaN, 1])).toThrow("got [0,0,0] and [1,NaN,1]");
    expect(run([1, 1] as unknown as [number, number, number])).toThrow(ConfigError);
  });

  // Two pixels a row, two rows, written into the second of two images of 3 × 4 pixels.
  const rgb = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
  const plain = normalisationTable({ mean: [0, 0, 0], std: [1, 1, 1] });
  const place = { offset: 3 * 4 * 3, stride: 4 };

  it("writes rows at their stride and leaves padding and other images alone", () => {
    const batch = new Float32Array(72).fill(-1);
    writePixels(rgb, { height: 2, width: 2 }, plain, batch, { ...place, flipped: false });
    const rows = [0, 1, 2].map((y) => Array.from(batch.subarray(36 + 12 * y, 48 + 12 * y)));
    const padding = [-1, -1, -1, -1, -1, -1];
    expect(rows).toEqual([
      [1, 2, 3, 4, 5, 6, ...padding],
      [7, 8, 9, 10, 11, 12, ...padding],
      [...padding, ...padding],
    ]);
    expect(batch.subarray(0, 36).every((v) => v === -1)).toBe(true);
  });

  it("mirrors pixels, not channels", () => {
    const batch = new Float32Array(72).fill(-1);
    writePixels(rgb, { height: 2, width: 2 }, plain, batch, { ...place, flipped: true });
    expect(Array.from(batch.subarray(36, 45))).toEqual([4, 5, 6, 1, 2, 3, -1, -1, -1]);
    expect(Array.from(batch.subarray(48, 54))).toEqual([10, 11, 12, 7, 8, 9]);
  });
});
