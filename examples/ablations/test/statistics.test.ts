// Student's t against printed tables, and intervals computed by hand.
import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { estimate, studentT } from "../src/statistics";

describe("studentT", () => {
  // Two-sided 95 % and 99 %, as every table of the distribution has them.
  it.each([
    [1, 12.7062, 63.6567],
    [2, 4.30265, 9.92484],
    [3, 3.18245, 5.84091],
    [4, 2.77645, 4.60409],
    [5, 2.57058, 4.03214],
    [9, 2.26216, 3.24984],
    [10, 2.22814, 3.16927],
    [30, 2.04227, 2.75],
    [120, 1.97993, 2.61742],
  ])("df %i", (df, at95, at99) => {
    expect(studentT(df)).toBeCloseTo(at95, 4);
    expect(studentT(df, 0.99)).toBeCloseTo(at99, 4);
  });

  it("approaches the normal distribution", () => {
    expect(studentT(100_001)).toBeCloseTo(1.95999, 4);
  });

  it.each([
    [0, 0.95],
    [1.5, 0.95],
    [2, 1],
  ])("refuses df %d and confidence %d", (df, confidence) => {
    expect(() => studentT(df, confidence)).toThrow(ConfigError);
  });
});

describe("estimate", () => {
  it("gives mean and interval", () => {
    const { mean, half, n } = estimate([1, 2, 3]);
    expect([mean, n]).toEqual([2, 3]);
    expect(half).toBeCloseTo(4.30265 / Math.sqrt(3), 4); // sample deviation 1
  });

  it("has no interval for one number, and one of width 0 for equal ones", () => {
    expect(estimate([7])).toEqual({ mean: 7, half: null, n: 1 });
    expect(estimate([7, 7])).toEqual({ mean: 7, half: 0, n: 2 });
  });

  it("refuses none", () => {
    expect(() => estimate([])).toThrow("no number");
  });
});
