import { describe, expect, it } from "vitest";
import { spreadOf } from "../src";

describe("spreadOf", () => {
  it("gives mean, extremes and the population's deviation", () => {
    expect(spreadOf([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, min: 2, max: 9, std: 2 });
  });

  it("does not lose small deviations of large numbers", () => {
    const { mean, std } = spreadOf(Float64Array.of(5e9 - 1, 5e9 + 1));
    expect([mean, std]).toEqual([5e9, 1]);
  });

  it("has no deviation for one number", () => {
    expect(spreadOf([3])).toEqual({ mean: 3, min: 3, max: 3, std: 0 });
  });
});
