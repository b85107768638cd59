// The drawn digits: the same for the same seed, as spoiled as they say.
import { createRandom } from "@caddet/router";
import { expect, it } from "vitest";
import { drawDigits, SIDE } from "../src/digits";

const digits = drawDigits(2000, createRandom(1));

it("draws the same digits for the same seed, others for another", () => {
  expect(drawDigits(5, createRandom(1))).toEqual(digits.slice(0, 5));
  expect(drawDigits(5, createRandom(2))).not.toEqual(digits.slice(0, 5));
});

it("shows every class and every number of traits", () => {
  for (let label = 0; label < 10; label++) {
    expect(digits.filter((digit) => digit.label === label).length).toBeGreaterThan(100);
  }
  const counts = [0, 0, 0, 0];
  for (const { traits } of digits) counts[traits.reduce((a, b) => a + b, 0)]!++;
  expect(counts[0]).toBeGreaterThan(900);
  expect(Math.min(...counts)).toBeGreaterThan(100);
});

it("marks what the pixels show", () => {
  const ink = (wanted: number) => {
    const own = digits.filter(({ traits }) => traits[0] === 0 && traits[1] === 0 && traits[2] === wanted);
    return own.reduce((sum, { pixels }) => sum + Math.max(...pixels), 0) / own.length;
  };
  expect(ink(0)).toBeGreaterThan(1);
  expect(ink(1)).toBeLessThan(0.65);
  expect(digits[0]!.pixels).toHaveLength(SIDE * SIDE);
});
