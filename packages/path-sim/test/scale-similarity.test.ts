import { ConfigError, ShapeError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scaleSimilarity, targetSimilarity } from "../src";
import { cases } from "./goldens";

describe("scaleSimilarity", () => {
  it("is symmetric, 1 on the diagonal, and 1 minus the Hamming distance per interval", () => {
    const encodings = fc
      .integer({ min: 1, max: 6 })
      .chain((m) => fc.array(fc.array(fc.nat(1), { minLength: m, maxLength: m }), { minLength: 1, maxLength: 5 }));
    fc.assert(
      fc.property(encodings, (s) => {
        const [b, m] = [s.length, s[0]!.length];
        const got = scaleSimilarity(s);
        for (let i = 0; i < b; i++) {
          for (let j = 0; j < b; j++) {
            const distance = s[i]!.reduce((sum, v, k) => sum + Math.abs(v - s[j]![k]!), 0);
            expect(got[i * b + j]).toBeCloseTo(1 - distance / m, 6);
            expect(got[i * b + j]).toBe(got[j * b + i]);
          }
          expect(got[i * b + i]).toBe(1);
        }
      }),
    );
  });

  it.each(cases)("equals the reference: $name", ({ scaleEncoding, scaleSimilarity: want }) => {
    expect(Array.from(scaleSimilarity(scaleEncoding))).toEqual(want);
  });

  it("counts intervals that both lack, so two empty images are alike", () => {
    expect(Array.from(scaleSimilarity([Uint8Array.of(0, 0), [0, 0]]))).toEqual([1, 1, 1, 1]);
  });

  it("refuses encodings that are empty or differ in length", () => {
    expect(() => scaleSimilarity([])).toThrow(ShapeError);
    expect(() => scaleSimilarity([[], []])).toThrow(ShapeError);
    expect(() => scaleSimilarity([[1, 0], [1]])).toThrow("got 2 and 1 for 2 images");
  });
});

describe("targetSimilarity", () => {
  it.each(cases)("equals the reference: $name", ({ scaleSimilarity: similarity, min, max, targetSimilarity: want }) => {
    const got = targetSimilarity(similarity, { min, max });
    expect(got.length).toBe(want.length);
    for (const [i, v] of want.entries()) expect(got[i]).toBeCloseTo(v, 6);
  });

  it("spans 0.6 to 0.95 by default", () => {
    expect(Array.from(targetSimilarity([0, 1]))).toEqual([Math.fround(0.6), Math.fround(0.95)]);
  });

  it("takes a range of one value", () => {
    expect(Array.from(targetSimilarity([0, 0.5, 1], { min: 1, max: 1 }))).toEqual([1, 1, 1]);
  });

  it.each([
    [0, 0.5],
    [0.6, 0.5],
    [0.6, 1.1],
    [Number.NaN, 1],
  ])("refuses the range %d to %d", (min, max) => {
    expect(() => targetSimilarity([0], { min, max })).toThrow(ConfigError);
    expect(() => targetSimilarity([0], { min, max })).toThrow(`got min ${min} and max ${max}`);
  });
});
