// The two mappings: their ends, what lies between, and what they refuse.
import { type BudgetSample, ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { countBudget } from "../src/count-budget";
import { batchDensities, edgeBudget } from "../src/edge-budget";
import { drawScenes, sceneBatches } from "../src/scenes";

function sample(objects: number, crowds = 0): BudgetSample {
  const n = objects + crowds;
  const crowd = Uint8Array.from({ length: n }, (_, i) => (i < objects ? 0 : 1));
  return { scaleEncoding: [1, 0], truth: { boxes: new Float32Array(4 * n), labels: new Int32Array(n), crowd } };
}

describe("countBudget", () => {
  const mapping = countBudget({ low: 0.25, high: 0.75, most: 4 });

  it("goes from low to high with the objects, and no further", () => {
    expect(Array.from(mapping([0, 1, 2, 4, 9].map((n) => sample(n))))).toEqual([0.25, 0.375, 0.5, 0.75, 0.75]);
    expect(Array.from(mapping([]))).toEqual([]);
  });

  it("does not count crowds", () => {
    expect(Array.from(mapping([sample(2, 5)]))).toEqual([0.5]);
  });

  it.each([
    { low: 0, high: 0.5, most: 4 },
    { low: 0.6, high: 0.5, most: 4 },
    { low: 0.1, high: 1.5, most: 4 },
    { low: 0.1, high: 0.5, most: 0 },
    { low: Number.NaN, high: 0.5, most: 4 },
  ])("refuses $low to $high at $most", (options) => {
    expect(() => countBudget(options)).toThrow(ConfigError);
  });
});

describe("edgeBudget", () => {
  const scenes = drawScenes(8, 2);
  const options = { low: 0.1, high: 0.9, most: 0.2 };
  const samples = (ids: readonly number[]) => ids.map((imageId) => ({ imageId }));

  it("gives each image of a watched batch what its edges ask for", async () => {
    const { mapping, watch } = edgeBudget(options);
    for await (const batch of watch(sceneBatches(scenes, 4, 1)).epoch(0)) {
      const budgets = mapping(samples(batch.imageIds));
      for (const [i, density] of batchDensities(batch).entries()) {
        expect(budgets[i]).toBeCloseTo(0.1 + 0.8 * Math.min(density / 0.2, 1), 6);
      }
      // Another order, another batch: an image keeps its budget.
      expect(Array.from(mapping(samples([...batch.imageIds].reverse()))).reverse()).toEqual(Array.from(budgets));
    }
  });

  it("passes batches on as they are, from where the trainer asks for them", async () => {
    const source = sceneBatches(scenes, 2, 1);
    const watched = edgeBudget(options).watch(source);
    const ids = async (from: typeof source) => {
      const out: number[][] = [];
      for await (const batch of from.epoch(3, { startBatch: 1 })) out.push([...batch.imageIds]);
      return out;
    };
    expect(watched.batchesPerEpoch).toBe(4);
    expect(await ids(watched)).toEqual(await ids(source));
    expect(await ids(watched)).toHaveLength(3);
  });

  it("says what to do about an image that it has not seen", () => {
    const { mapping } = edgeBudget(options);
    expect(() => mapping(samples([7]))).toThrow(ConfigError);
    expect(() => mapping(samples([7]))).toThrow(/image 0.*watch\(\)/);
  });

  it("refuses options out of range", () => {
    expect(() => edgeBudget({ ...options, most: 0 })).toThrow(ConfigError);
    expect(() => edgeBudget({ ...options, low: 0.95 })).toThrow(/0 < low <= high <= 1/);
  });
});
