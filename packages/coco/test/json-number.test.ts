import { createRandom } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteSource } from "../src/json/byte-source";
import { openWindow } from "../src/json/byte-window";
import { readNumber } from "../src/json/json-number";
import { bytesOf, pieceSource } from "./json-texts";

const file = "numbers.json";

function numberOf(text: string): number {
  return readNumber(openWindow(byteSource(bytesOf(text)), { file }));
}

/** Differences from `Number`, first ones only. */
function wrong(texts: readonly string[]): string[] {
  const w = openWindow(byteSource(bytesOf(`${texts.join(",")},`)), { file });
  return texts.filter((text) => {
    const value = readNumber(w);
    w.at++;
    return !Object.is(value, Number(text));
  });
}

describe("readNumber", () => {
  it("gives the double of Number for decimals as programs write them", () => {
    const random = createRandom(11);
    const texts = Array.from({ length: 60_000 }, (_, n) => {
      const value = random.next() * 10 ** (Math.floor(random.next() * 26) - 10);
      const forms = [String(value), String(Math.fround(value)), value.toFixed(2), value.toPrecision(17), `-${value}`];
      return forms[n % forms.length]!;
    });
    expect(wrong(texts)).toEqual([]);
  });

  it("gives the double of Number for any digits", () => {
    const random = createRandom(12);
    const digits = (n: number) => Array.from({ length: n }, () => Math.floor(random.next() * 10)).join("");
    const below = (n: number) => Math.floor(random.next() * n);
    const texts = Array.from({ length: 60_000 }, () => {
      const whole = below(3) === 0 ? "0" : `${1 + below(9)}${digits(below(19))}`;
      const fraction = below(4) === 0 ? "" : `.${"0".repeat(below(3) * below(8))}${digits(1 + below(22))}`;
      const exponent = below(3) > 0 ? "" : `${"eE"[below(2)]}${["", "+", "-"][below(3)]}${digits(1 + below(3))}`;
      return `${whole}${fraction}${exponent}`;
    });
    expect(wrong(texts)).toEqual([]);
  });

  it("rounds as Number does close to the middle between two doubles", () => {
    const random = createRandom(13);
    const bits = new BigUint64Array(1);
    const value = new Float64Array(bits.buffer);
    // The middle between a double from 2^k to 2^(k+1) and the next one, cut after 16 to 18 digits.
    const texts = Array.from({ length: 20_000 }, () => {
      const k = 20 + Math.floor(random.next() * 32);
      value[0] = 2 ** k * (1 + random.next());
      const shift = 10n ** 20n;
      const step = 2 ** (Math.floor(Math.log2(value[0]!)) - 53);
      const middle =
        BigInt(Math.floor(value[0]!)) * shift + (BigInt(Math.round((value[0]! % 1) * 2 ** 52)) * shift) / 2n ** 52n;
      const text = (middle + (BigInt(step * 2 ** 60) * shift) / 2n ** 60n).toString();
      const whole = text.length - 20;
      return `${text.slice(0, whole)}.${text.slice(whole, 16 + Math.floor(random.next() * 3))}`.replace(/\.$/, "");
    });
    expect(wrong(texts)).toEqual([]);
  });

  it.each([
    "0",
    "-0",
    "-0.0e5",
    "0e999",
    "1e999",
    "-1e999",
    "1e-999",
    "5e-324",
    "2.4703282292062328e-324",
    "1.7976931348623157e308",
    "9007199254740993",
    "9007199254740992.5",
    "123456789012345678",
    "1234567890123456789",
    "0.1",
    "1e22",
    "1e23",
    "2.2250738585072011e-308",
    "0.000000000000000000000001",
    `0.${"0".repeat(400)}1`,
    `1${"0".repeat(400)}`,
    `1e${"0".repeat(50)}5`,
  ])("reads %s as Number does", (text) => {
    expect(numberOf(text)).toBe(Number(text));
  });

  it("reads any double back from its text, through a window of any size", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: 1, max: 40 }),
        (value, window) => {
          const w = openWindow(pieceSource(bytesOf(`${JSON.stringify(value)},`), window), { file, window });
          expect(readNumber(w)).toBe(value === 0 ? 0 : value);
          expect(w.bytes[w.at]).toBe(44);
        },
      ),
    );
  });

  it.each(["NaN", "Infinity", "-Infinity"])("reads %s, as Python writes it", (text) => {
    expect(numberOf(text)).toBe(Number(text));
  });

  it.each([
    ["-", 0],
    ["01", 0],
    ["-00", 0],
    ["1.", 0],
    [".5", 0],
    ["1.e5", 0],
    ["1e", 0],
    ["1e+", 0],
    ["+1", 0],
    ["Inf", 0],
    ["-NaN", 0],
  ])("refuses %s", (text, byte) => {
    expect(() => numberOf(text)).toThrow(
      `numbers.json: is not JSON (expected a number at byte ${byte}, got "${text}")`,
    );
  });
});
