import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { evaluateDetections, formatClassTable, parseResults, precisionRecallCurve } from "../src/index";
import { found, truthOf } from "./small-truth";

const truth = truthOf([
  { category: 1, x: 0 },
  { category: 1, x: 100 },
  { category: 2, x: 200 },
]);
const results = parseResults([found(1, 0, 0.9), found(1, 300, 0.8), found(1, 100, 0.7), found(2, 200, 0.6)], {
  file: "d",
});
const result = evaluateDetections(truth, results);

describe("precisionRecallCurve", () => {
  it("gives a class's curve", () => {
    const { recall, precision, scores } = precisionRecallCurve(result, { categoryId: 1 });
    expect([recall[0], recall[50], recall[100]]).toEqual([0, 0.5, 1]);
    expect(precision[50]).toBeCloseTo(1, 12);
    expect(precision[51]).toBeCloseTo(2 / 3, 12);
    expect([scores[50], scores[51]]).toEqual([0.9, 0.7]);
  });

  it("gives the mean over classes, whose mean is AP50", () => {
    const { precision } = precisionRecallCurve(result);
    expect(precision[100]).toBeCloseTo((2 / 3 + 1) / 2, 12);
    expect(precision.reduce((a, b) => a + b) / precision.length).toBeCloseTo(result.stats[1]!, 12);
  });

  it("finds thresholds as they are typed", () => {
    expect(precisionRecallCurve(result, { iou: 0.9 }).precision.length).toBe(101);
    expect([...precisionRecallCurve(result, { area: "large" }).precision]).toEqual(new Array(101).fill(-1));
  });

  it.each([{ iou: 0.51 }, { categoryId: 9 }, { area: "tiny" }, { maxDets: 7 }])("refuses %j", (selection) => {
    expect(() => precisionRecallCurve(result, selection)).toThrow(ConfigError);
  });
});

it("formatClassTable writes a line a class, in columns", () => {
  const lines = formatClassTable(result).split("\n");
  expect(lines.length).toBe(3);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(lines[1]).toMatch(/^class 1 +0\.\d{3} +0\.\d{3} .* - +- *\S+ +\S+ +- +-$/);
});
