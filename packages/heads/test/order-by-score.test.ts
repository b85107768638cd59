import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { orderByScore } from "../src/order-by-score";

const byComparison = (scores: readonly number[]) =>
  scores
    .map((_, i) => i)
    .filter((i) => !Number.isNaN(scores[i]!))
    .sort((a, b) => (scores[a] === scores[b] ? a - b : scores[b]! > scores[a]! ? 1 : -1));

describe("orderByScore", () => {
  it("orders as a stable sort by falling score does, without NaN", () => {
    const anyScore = fc.oneof(fc.float(), fc.constantFrom(0, -0, 0.5, Number.NaN, Infinity, -Infinity, 1e-40, -1e-40));
    fc.assert(
      fc.property(fc.array(anyScore, { maxLength: 80 }), (drawn) => {
        const scores = drawn.map(Math.fround);
        expect([...orderByScore(scores)]).toEqual(byComparison(scores));
      }),
    );
  });

  it("orders many scores with many equal ones", () => {
    const scores = Array.from({ length: 50_000 }, (_, i) => Math.fround(((i * 7919) % 1013) / 1013));
    expect([...orderByScore(scores)]).toEqual(byComparison(scores));
  });

  it("takes numbers as equal that are one float32", () => {
    expect([...orderByScore([0.1, 0.1 + 1e-12])]).toEqual([0, 1]);
  });

  it("gives nothing for nothing", () => {
    expect(orderByScore([]).length).toBe(0);
    expect(orderByScore([Number.NaN]).length).toBe(0);
  });
});
