import { type BudgetSample, ConfigError, NonFiniteError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { lossAwareBudget } from "../src";

const truth = { boxes: new Float32Array(0), labels: new Int32Array(0), crowd: new Uint8Array(0) };
const batch = (...losses: number[]): BudgetSample[] =>
  losses.map((detectionLoss) => ({ scaleEncoding: [0], truth, detectionLoss }));
const budgets = (mapping: ReturnType<typeof lossAwareBudget>, ...losses: number[]) =>
  Array.from(mapping(batch(...losses)));

describe("lossAwareBudget", () => {
  it("asks for losses", () => {
    expect(lossAwareBudget({ ratio: 0.125 }).usesLoss).toBe(true);
  });

  it("maps the rank linearly to C_0 .. 4 C_0", () => {
    const mapping = lossAwareBudget({ ratio: 0.125 });
    mapping(batch(1, 2, 3, 4));
    expect(budgets(mapping, 0.5, 2.5, 9)).toEqual([0.125, 0.3125, 0.5]);
  });

  it("starts in the middle, and counts equal losses half", () => {
    const mapping = lossAwareBudget({ ratio: 0.125 });
    expect(budgets(mapping, 7, 8)).toEqual([0.3125, 0.3125]);
    expect(budgets(mapping, 7)).toEqual([Math.fround(0.125 * (1 + 3 * 0.25))]);
  });

  it("does not depend on the order within a batch", () => {
    const [a, b] = [lossAwareBudget({ ratio: 0.125 }), lossAwareBudget({ ratio: 0.125 })];
    a(batch(1, 5));
    b(batch(5, 1));
    expect(budgets(a, 2, 6, 0)).toEqual(budgets(b, 0, 6, 2).reverse());
  });

  it("takes no images, one and 64, and a batch beyond its window", () => {
    const mapping = lossAwareBudget({ ratio: 0.125, window: 10 });
    expect(budgets(mapping)).toEqual([]);
    expect(mapping.state()).toEqual({ losses: [] });
    expect(budgets(mapping, 5)).toEqual([0.3125]);
    const many = Array.from({ length: 64 }, (_, i) => i);
    expect(budgets(mapping, ...many).filter((budget) => budget === 0.125)).toHaveLength(5);
    expect(mapping.state().losses).toEqual(many.slice(-10));
  });

  it("goes on from a state of a longer window with the newest losses", () => {
    const mapping = lossAwareBudget({ ratio: 0.125, window: 2 });
    mapping.restore({ losses: [9, 1, 3] });
    expect(mapping.state()).toEqual({ losses: [1, 3] });
    expect(budgets(mapping, 2)).toEqual([0.3125]);
  });

  it("forgets losses older than the window", () => {
    const mapping = lossAwareBudget({ ratio: 0.125, window: 3 });
    mapping(batch(100, 100, 1, 2, 3));
    expect(budgets(mapping, 50)).toEqual([0.5]);
    expect(mapping.state()).toEqual({ losses: [2, 3, 50] });
  });

  it("remembers 100 losses by default", () => {
    const mapping = lossAwareBudget({ ratio: 0.125 });
    mapping(batch(...Array.from({ length: 130 }, (_, i) => i)));
    expect(mapping.state().losses).toEqual(Array.from({ length: 100 }, (_, i) => i + 30));
  });

  it("goes on from a state that went through JSON", () => {
    const first = lossAwareBudget({ ratio: 0.125 });
    first(batch(3, 1, 4, 1, 5));
    const second = lossAwareBudget({ ratio: 0.125 });
    second.restore(JSON.parse(JSON.stringify(first.state())));
    expect(budgets(second, 2, 6)).toEqual(budgets(first, 2, 6));
    expect(second.state()).toEqual(first.state());
  });

  it("does not share its buffer with a state that it returned", () => {
    const mapping = lossAwareBudget({ ratio: 0.125 });
    mapping(batch(1));
    (mapping.state().losses as number[]).push(99);
    expect(mapping.state()).toEqual({ losses: [1] });
  });

  it("refuses a loss that is absent or not finite, and keeps its buffer", () => {
    const mapping = lossAwareBudget({ ratio: 0.125 });
    mapping(batch(1));
    expect(() => mapping([...batch(2), { scaleEncoding: [0], truth }])).toThrow("got undefined for image 1");
    expect(() => mapping(batch(Number.NaN))).toThrow(NonFiniteError);
    expect(mapping.state()).toEqual({ losses: [1] });
  });

  it("refuses wrong options and foreign states", () => {
    expect(() => lossAwareBudget({ ratio: 2 })).toThrow(ConfigError);
    expect(() => lossAwareBudget({ ratio: 0.1, window: 0 })).toThrow("at least 1, got 0");
    const mapping = lossAwareBudget({ ratio: 0.125 });
    for (const state of [null, {}, { losses: ["1"] }, { losses: [Number.NaN] }, 3]) {
      expect(() => mapping.restore(state)).toThrow(ConfigError);
    }
  });
});
