import { type BudgetSample, ConfigError, ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { fixedBudget, scaleBudget } from "../src";
import { cases } from "./goldens";

const truth = { boxes: new Float32Array(0), labels: new Int32Array(0), crowd: new Uint8Array(0) };
const sample = (scaleEncoding: number[]): BudgetSample => ({ scaleEncoding, truth });

describe("fixedBudget", () => {
  it("gives every image the ratio", () => {
    expect(Array.from(fixedBudget({ ratio: 0.25 })([sample([1]), sample([0])]))).toEqual([0.25, 0.25]);
    expect(fixedBudget({ ratio: 0.25 })([]).length).toBe(0);
  });

  it.each([0, -0.1, 1.01, Number.NaN])("refuses the ratio %d", (ratio) => {
    expect(() => fixedBudget({ ratio })).toThrow(ConfigError);
    expect(() => scaleBudget({ ratio })).toThrow(`in (0, 1], got ${ratio}`);
  });
});

describe.each(["mean", "sum"] as const)("scaleBudget by %s", (reduce) => {
  it.each(cases)("equals the reference: $name", (golden) => {
    const got = scaleBudget({ ratio: golden.ratio, reduce })(golden.scaleEncoding.map(sample));
    expect(got.length).toBe(golden.images);
    for (const [i, want] of golden[reduce].expected.entries()) expect(got[i]).toBeCloseTo(want, 7);
  });
});

describe("scaleBudget", () => {
  it("is Eq. 3 with 5 % by default", () => {
    const budgets = Array.from(scaleBudget()([sample([1, 0, 1, 0]), sample([1, 1, 1, 1]), sample([0, 0, 0, 0])]));
    expect(budgets).toEqual([Math.fround(0.025), Math.fround(0.05), 0]);
  });

  it("spans C_0 to 4 C_0 by sum", () => {
    const budgets = scaleBudget({ reduce: "sum" })([sample([0, 1, 0, 0]), sample([1, 1, 1, 1])]);
    expect(Array.from(budgets)).toEqual([Math.fround(0.05), Math.fround(0.2)]);
  });

  it("refuses an unknown reduction and an empty encoding", () => {
    expect(() => scaleBudget({ reduce: "max" as "sum" })).toThrow('got "max"');
    expect(() => scaleBudget()([sample([])])).toThrow(ShapeError);
  });
});
