import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openWindow, peek } from "../src/json/byte-window";
import { keyTable, readKey, readString } from "../src/json/json-text";
import { readOutline, skipValue } from "../src/json/json-value";
import { show } from "../src/json/json-values";
import { bytesOf, pieceSource } from "./json-texts";

const file = "values.json";
const small = fc.integer({ min: 1, max: 64 });

function windowOn(text: string, window = 1 << 18) {
  return openWindow(pieceSource(bytesOf(text), window), { file, window });
}

describe("skipValue", () => {
  it("ends behind any value, through any window", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, "\t"), small, (value, indent, window) => {
        const w = windowOn(` ${JSON.stringify(value, null, indent)} ;`, window);
        skipValue(w);
        expect(peek(w)).toBe(59);
      }),
    );
  });

  it("passes over a thousand nested lists, not one more", () => {
    const nested = (n: number) => `${"[".repeat(n)}1${"]".repeat(n)}`;
    expect(() => skipValue(windowOn(nested(1000)))).not.toThrow();
    expect(() => skipValue(windowOn(nested(1001)))).toThrow("expected at most 1000 nested lists at byte 1001");
  });

  it.each([
    ["[1,]", "expected a value at byte 3"],
    ["[1 2]", "expected a comma or ] at byte 3"],
    ["[1}", "expected a comma or ] at byte 2"],
    ['{"a":1]', "expected a comma or } at byte 6"],
    ['{"a":1,}', "expected a key at byte 7"],
    ["{1:2}", "expected a key at byte 1"],
    ['{"a" 1}', "expected a colon at byte 5"],
    ["[1,-,2]", "expected a number at byte 3"],
    ["[1.5,2.]", "expected a number at byte 5"],
    ["nul", "expected a value at byte 0"],
    ['"a\nb"', 'expected a text without control characters that ends in " at byte 2'],
    ['"\\u12g4"', "expected an escape sequence at byte 1"],
    ['"\\x"', "expected an escape sequence at byte 1"],
    ["", "expected a value at byte 0, got the end of the file"],
  ])("says what is wrong with %s", (text, message) => {
    expect(() => skipValue(windowOn(text))).toThrow(message);
  });
});

describe("readOutline", () => {
  it("is pictured in error texts like the value itself", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), small, (value, window) => {
        const text = JSON.stringify(value);
        expect(show(readOutline(windowOn(text, window)))).toBe(show(JSON.parse(text)));
      }),
    );
  });
});

describe("readString", () => {
  it("gives any text back, through any window", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), small, (text, window) => {
        expect(readString(windowOn(JSON.stringify(text), window))).toBe(text);
      }),
    );
  });

  it("gives up on a text without end", () => {
    let first = true;
    const read = (into: Uint8Array) => {
      into.fill(97);
      if (first) into[0] = 34;
      first = false;
      return into.length;
    };
    const w = openWindow({ read }, { file });
    expect(() => readString(w)).toThrow("values.json: has a text or a number of more than 67108864 bytes at byte 0.");
  });
});

describe("readKey", () => {
  it("knows keys in any order and spelling, and passes over others", () => {
    const table = keyTable(["id", "image_id", "bbox"]);
    const w = windowOn('"bbox" :"\\u0069d":"ids":"i":"image_id"\n: "im\\u0061ge_id":"\\"id":"":"id":;', 3);
    const found = Array.from({ length: 9 }, () => readKey(w, table));
    expect(found).toEqual([2, 0, -1, -1, 1, 1, -1, -1, 0]);
    expect(peek(w)).toBe(59);
  });
});
