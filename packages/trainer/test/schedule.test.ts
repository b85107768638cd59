import { describe, expect, it } from "vitest";
import { learningRate, type ScheduleOptions } from "../src";
import { goldenCases } from "./golden";

interface ScheduleCase {
  readonly base: number;
  readonly config: {
    readonly step: number | readonly number[];
    readonly gamma?: number;
    readonly warmup?: "linear" | "constant";
    readonly warmup_iters?: number;
    readonly warmup_ratio?: number;
  };
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  readonly iterations: readonly number[];
  readonly lr: readonly number[];
}

const plain: ScheduleOptions = {
  base: 0.01,
  policy: "step",
  milestones: [8, 11],
  gamma: 0.1,
  warmup: "linear",
  warmupSteps: 0,
  warmupRatio: 0.001,
  stepsPerEpoch: 10,
  totalSteps: 120,
};

describe("learningRate", () => {
  it.each(goldenCases<ScheduleCase>("lr-schedule"))("is mmcv's for $config", (c) => {
    const { step, gamma = 0.1, warmup = "linear", warmup_iters = 0, warmup_ratio = 1 } = c.config;
    // mmcv's single number is a period
    const milestones =
      typeof step === "number" ? Array.from({ length: Math.floor(c.epochs / step) }, (_, i) => step * (i + 1)) : step;
    for (const [i, iteration] of c.iterations.entries()) {
      const rate = learningRate(iteration, {
        base: c.base,
        policy: "step",
        milestones,
        gamma,
        warmup,
        warmupSteps: warmup_iters,
        warmupRatio: warmup_ratio,
        stepsPerEpoch: c.stepsPerEpoch,
        totalSteps: c.epochs * c.stepsPerEpoch,
      });
      expect(Math.abs(rate / c.lr[i]! - 1), `iteration ${iteration}`).toBeLessThan(1e-12);
    }
  });

  it("runs the first step after the warm-up at full rate", () => {
    const options = { ...plain, warmupSteps: 5 };
    expect(learningRate(0, options)).toBeCloseTo(1e-5, 12);
    expect(learningRate(4, options)).toBeLessThan(0.01);
    expect(learningRate(5, options)).toBe(0.01);
  });

  it("falls at the start of the milestone's epoch", () => {
    expect(learningRate(79, plain)).toBe(0.01);
    expect(learningRate(80, plain)).toBeCloseTo(0.001, 12);
    expect(learningRate(110, plain)).toBeCloseTo(0.0001, 12);
  });

  it("keeps the constant rate and lets the cosine fall to 0 without rising", () => {
    expect(learningRate(119, { ...plain, policy: "constant" })).toBe(0.01);
    const cosine = Array.from({ length: 121 }, (_, step) => learningRate(step, { ...plain, policy: "cosine" }));
    expect(cosine[0]).toBe(0.01);
    expect(cosine[60]).toBeCloseTo(0.005, 12);
    expect(cosine[120]).toBeCloseTo(0, 12);
    for (let i = 1; i < cosine.length; i++) expect(cosine[i]).toBeLessThan(cosine[i - 1]!);
  });
});
