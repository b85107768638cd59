import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { costAwareAp, parseResults } from "../src/index";
import { found, truthOf } from "./small-truth";

describe("costAwareAp", () => {
  const truth = truthOf(
    [1, 2, 3, 4].map((image) => ({ category: 1, x: 0, image })),
    4,
  );
  // The objects of images 1 and 2 are found, those of 3 and 4 are not.
  const results = parseResults([found(1, 0, 0.9, 1), found(1, 0, 0.8, 2), found(1, 300, 0.7, 3)], { file: "d" });
  const costs = new Map([
    [1, 400],
    [2, 300],
    [3, 200],
    [4, 100],
  ]);

  it("groups equally many images by rising cost", () => {
    const groups = costAwareAp(truth, results, costs, { groups: 2 });
    expect(groups.map(({ from, to, meanCost, imageIds }) => [from, to, meanCost, [...imageIds]])).toEqual([
      [100, 200, 150, [4, 3]],
      [300, 400, 350, [2, 1]],
    ]);
    expect(groups[0]!.stats[0]).toBe(0);
    expect(groups[1]!.stats[0]).toBeCloseTo(1, 12);
  });

  it("takes edges, the last one included, and leaves empty groups out", () => {
    const groups = costAwareAp(truth, results, costs, { edges: [0, 50, 200, 300] });
    expect(groups.map(({ imageIds }) => [...imageIds])).toEqual([[4], [3, 2]]);
    expect(groups[1]!.stats[1]).toBeCloseTo(51 / 101, 12);
  });

  it("makes no more groups than there are images", () => {
    expect(costAwareAp(truth, results, costs, { groups: 9 }).length).toBe(4);
  });

  it("refuses images without a cost, and wrong groups", () => {
    expect(() => costAwareAp(truth, results, new Map([[1, 5]]))).toThrow("Image 2 needs a finite cost");
    expect(() => costAwareAp(truth, results, costs, { groups: 0 })).toThrow(ConfigError);
    expect(() => costAwareAp(truth, results, costs, { edges: [3, 2] })).toThrow("rising");
  });
});
