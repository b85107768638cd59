// Numbers and names as people read them, and the axes' ticks.
import { describe, expect, it } from "vitest";
import { formatMadds, formatNumber } from "../src";
import { linearAxis, logAxis } from "../src/axis";
import { formatColumn, shorten, textWidth } from "../src/lettering";

describe("formatNumber", () => {
  it.each([
    [0, "0"],
    [-0, "0"],
    [6234, "6,234"],
    [-1234567, "−1,234,567"],
    [0.2874, "0.2874"],
    [0.5, "0.5"],
    [12.3456, "12.35"],
    [99999.96, "100,000"],
    [0.000012, "1.2e-5"],
    [-0.0001, "−1e-4"],
    [3e15, "3e15"],
    [Number.NaN, "–"],
    [Number.POSITIVE_INFINITY, "–"],
  ])("writes %d as %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});

describe("formatMadds", () => {
  it.each([
    [6.5e9, "6.50 G"],
    [999.6e6, "1.00 G"],
    [412e6, "412 M"],
    [99.6e6, "100 M"],
    [4.25e6, "4.3 M"],
    [1500, "1,500"],
    [0, "0"],
    [Number.NaN, "–"],
  ])("writes %d as %s", (value, text) => {
    expect(formatMadds(value)).toBe(text);
  });
});

describe("formatColumn", () => {
  it("gives all numbers the digits of the one that needs most", () => {
    expect(formatColumn([0.3, 0.2874, 12])).toEqual(["0.3000", "0.2874", "12.0000"]);
    expect(formatColumn([1, Number.NaN, 1e-7])).toEqual(["1", "–", "1e-7"]);
    expect(formatColumn([])).toEqual([]);
  });
});

describe("shorten", () => {
  it("counts characters, not code units", () => {
    expect(shorten("traffic light", 8)).toBe("traffic…");
    expect(shorten("🚗🚗🚗", 3)).toBe("🚗🚗🚗");
    expect(shorten("🚗🚗🚗", 2)).toBe("🚗…");
    expect(textWidth("汽车", 10)).toBe(20);
  });
});

describe("axes", () => {
  it("places ticks at round values inside the interval", () => {
    const axis = linearAxis(0.13, 1.92);
    expect(axis.ticks.map(({ label }) => label)).toEqual(["0.5", "1.0", "1.5"]);
    expect(axis.position(0.13)).toBe(0);
    expect(axis.position(1.92)).toBe(1);
  });

  it("moves its ends to ticks where asked", () => {
    const axis = linearAxis(-3, 98, { whole: true });
    expect(axis.position(axis.ticks[0]!.value)).toBeCloseTo(0, 9);
    expect(axis.position(axis.ticks.at(-1)!.value)).toBeCloseTo(1, 9);
  });

  it("writes large values with a unit", () => {
    expect(linearAxis(0, 6.2e9).ticks.map(({ label }) => label)).toEqual(["0", "2 G", "4 G", "6 G"]);
    expect(linearAxis(0, 190e3).ticks.map(({ label }) => label)).toEqual(["0", "50 k", "100 k", "150 k"]);
  });

  it.each([
    [0.3, 0.7],
    [1, 1],
    [1e-9, 1e9],
    [3, 2000],
    [1000, 1000],
  ])("holds %d to %d on a logarithmic axis", (from, to) => {
    const axis = logAxis(from, to);
    expect(axis.position(from)).toBeGreaterThanOrEqual(0);
    expect(axis.position(to)).toBeLessThanOrEqual(1 + 1e-9);
    expect(axis.ticks.length).toBeGreaterThanOrEqual(2);
    expect(axis.ticks.length).toBeLessThanOrEqual(8);
  });
});
