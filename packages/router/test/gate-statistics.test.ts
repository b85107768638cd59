import { ConfigError, ShapeError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gateStatistics } from "../src";

describe("gateStatistics", () => {
  it("has rates, means and entropies in their ranges, and a histogram of all gates", () => {
    const batch = fc.integer({ min: 1, max: 5 }).chain((paths) =>
      fc
        .array(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: paths, maxLength: paths }), {
          minLength: 1,
          maxLength: 6,
        })
        .map((rows) => ({ paths, rows })),
    );
    fc.assert(
      fc.property(batch, fc.integer({ min: 1, max: 12 }), ({ paths, rows }, bins) => {
        const got = gateStatistics(rows.flat(), { paths, bins });
        expect(got.images).toBe(rows.length);
        expect(got.histogram.reduce((a, b) => a + b)).toBe(rows.length * paths);
        for (let k = 0; k < paths; k++) {
          const column = rows.map((row) => row[k]!);
          const alone = gateStatistics(column, { paths: 1, bins });
          expect(got.pathHistogram.subarray(k * bins, (k + 1) * bins)).toEqual(alone.histogram);
          expect(got.openRate[k]).toBe(column.filter((g) => g >= 1e-4).length / rows.length);
          expect(got.meanGate[k]).toBeCloseTo(column.reduce((a, b) => a + b) / rows.length, 12);
          expect(got.entropy[k]).toBeGreaterThanOrEqual(0);
          expect(got.entropy[k]).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("gives the values of a batch by hand", () => {
    const got = gateStatistics([1, 0, 0.5, 0.5, 0, 0.2, 1, 0, 0.2, 0.5, 0, 0], { paths: 3, tau: 0.3, bins: 4 });
    expect(got.images).toBe(4);
    expect(Array.from(got.openRate)).toEqual([1, 0, 0.25]);
    expect(got.meanGate[0]).toBe(0.75);
    expect(got.meanGate[2]).toBeCloseTo(0.225, 12);
    expect(Array.from(got.entropy)).toEqual([0, 0, 0.25 * 2 + 0.75 * Math.log2(4 / 3)]);
    expect(Array.from(got.histogram)).toEqual([7, 0, 3, 2]);
    expect(Array.from(got.pathHistogram)).toEqual([0, 0, 2, 2, 4, 0, 0, 0, 3, 0, 1, 0]);
  });

  it("is most undecided where a path opens for half of the images", () => {
    expect(Array.from(gateStatistics([1, 0], { paths: 1 }).entropy)).toEqual([1]);
  });

  it("counts a gate at tau as open", () => {
    expect(Array.from(gateStatistics([1e-4, 0.99e-4], { paths: 2 }).openRate)).toEqual([1, 0]);
  });

  it("refuses lengths and values that are no gates", () => {
    expect(() => gateStatistics([1, 0, 1], { paths: 2 })).toThrow("gates [B * 2], B at least 1, got 3 numbers");
    expect(() => gateStatistics([], { paths: 2 })).toThrow(ShapeError);
    expect(() => gateStatistics([1], { paths: 0 })).toThrow(ConfigError);
    expect(() => gateStatistics([1], { paths: 1, bins: 2.5 })).toThrow("whole number of bins");
    expect(() => gateStatistics([0, 0, 0, 1.5], { paths: 2 })).toThrow("Gate 1 of image 1 is 1.5");
    expect(() => gateStatistics([Number.NaN], { paths: 1 })).toThrow(ConfigError);
  });
});
