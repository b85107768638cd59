import { describe, expect, it } from "vitest";
import { createScoreSorter } from "../src/evaluate/score-order";

function expected(scores: Float64Array): number[] {
  return [...scores.keys()].sort((p, q) => scores[q]! - scores[p]! || p - q);
}

describe("createScoreSorter", () => {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const sort = createScoreSorter(5000);

  it.each([
    ["random", () => random()],
    ["of few values", () => Math.floor(random() * 4) / 4],
    ["all equal", () => 0.5],
    ["negative and positive", () => random() - 0.5],
    ["zeros of both signs", () => (random() < 0.5 ? -0 : 0)],
    ["crowded at one end", () => (random() < 0.001 ? 1 : 1e-9 * random())],
    [
      "one far away, the rest in the last bits",
      () => (random() < 0.001 ? 1e6 : 1 + Math.floor(random() * 9) * 2 ** -52),
    ],
    ["of the largest range", () => (random() - 0.5) * Number.MAX_VALUE * 1.9],
    ["of the smallest range", () => Math.floor(random() * 9) * Number.MIN_VALUE],
  ])("sorts scores that are %s, stably", (_, draw) => {
    for (const count of [0, 1, 2, 40, 5000]) {
      const scores = Float64Array.from({ length: count }, draw);
      expect([...sort(scores)]).toEqual(expected(scores));
    }
  });
});
