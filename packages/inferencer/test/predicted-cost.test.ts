// What is predicted of an image before it runs.
import { describe, expect, it } from "vitest";
import { createCostPredictor } from "../src/predicted-cost";

const SMALL = { height: 10, width: 10 };
const LARGE = { height: 20, width: 30 };

describe("createCostPredictor", () => {
  it("goes by area at first, by all open paths where they are known", () => {
    const blind = createCostPredictor();
    expect(blind.predict(LARGE) / blind.predict(SMALL)).toBe(6);
    const knowing = createCostPredictor(({ height, width }) => 7 * height * width);
    expect(knowing.predict(SMALL)).toBe(700);
  });

  it("then by the mean of what images of that size cost, and of what a pixel cost for sizes not seen", () => {
    const costs = createCostPredictor(() => 1e9);
    costs.learn(SMALL, 100);
    costs.learn(SMALL, 300);
    expect(costs.predict(SMALL)).toBe(200);
    expect(costs.predict(LARGE)).toBe(1200);
    costs.learn(LARGE, 600);
    expect(costs.predict(LARGE)).toBe(600);
    expect(costs.predict(SMALL)).toBe(200);
  });

  it("follows a change", () => {
    const costs = createCostPredictor();
    for (let i = 0; i < 1000; i++) costs.learn(SMALL, 100);
    for (let i = 0; i < 300; i++) costs.learn(SMALL, 500);
    expect(costs.predict(SMALL)).toBeGreaterThan(480);
    expect(costs.predict(SMALL)).toBeLessThanOrEqual(500);
  });

  it("forgets the oldest of very many sizes", () => {
    const costs = createCostPredictor();
    costs.learn(SMALL, 5);
    for (let width = 1; width <= 256; width++) costs.learn({ height: 1000, width }, 1000 * width);
    expect(costs.predict({ height: 1000, width: 256 })).toBe(256_000);
    expect(costs.predict(SMALL)).toBeCloseTo(100, 0); // by area again
  });
});
