// Correlation: lines, constants, and lists that do not fit.
import { ShapeError } from "@caddet/core";
import { expect, it } from "vitest";
import { correlation, mean } from "../src/correlation";

it("is 1 along a rising line, -1 along a falling one, 0 for a constant", () => {
  expect(correlation([1, 2, 3], [5, 7, 9])).toBeCloseTo(1, 12);
  expect(correlation([1, 2, 3], [9, 7, 5])).toBeCloseTo(-1, 12);
  expect(correlation([1, 2, 3, 4], [1, -1, -1, 1])).toBeCloseTo(0, 12);
  expect(
    correlation(
      new Array<number>(30).fill(0.1),
      Array.from({ length: 30 }, (_, i) => i),
    ),
  ).toBe(0);
});

it("does not depend on order, scale or shift", () => {
  const [a, b] = [
    [3, 1, 4, 1, 5, 9],
    [2, 7, 1, 8, 2, 8],
  ];
  const own = correlation(a, b);
  expect(correlation(b, a)).toBeCloseTo(own, 12);
  expect(
    correlation(
      a.map((v) => 2 * v + 100),
      b,
    ),
  ).toBeCloseTo(own, 12);
  expect(mean(a)).toBeCloseTo(23 / 6, 12);
});

it("refuses lists of different lengths", () => {
  expect(() => correlation([1, 2], [1])).toThrow(ShapeError);
  expect(() => correlation([1], [1])).toThrow("at least 2");
});
