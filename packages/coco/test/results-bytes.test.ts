import { DatasetError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatResults, parseResults } from "../src/index";
import { byteSource } from "../src/json/byte-source";
import { findResultStart, readResultsPart } from "../src/results/results-bytes";
import { bytesOf, mutate, mutation, outcome, parsedOf, pieceSource } from "./json-texts";

const file = "results.json";

const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const entries = fc.array(
  fc.record({
    image_id: fc.maxSafeInteger(),
    category_id: fc.maxSafeInteger(),
    bbox: fc.tuple(number, number, number, number),
    score: number,
  }),
);
const space = fc.constantFrom(undefined, 1, "\t");
const small = fc.integer({ min: 1, max: 64 });

// With keys that are not read, in the ways in which they can mislead.
function rich() {
  return [
    { image_id: 42, category_id: 18, bbox: [258.15, 41.29, 348.26, 243.78], score: 0.2363612353801727 },
    { segmentation: { counts: "},{", size: [480, 640] }, score: 1e-5, bbox: [0, 0, 1, 1], category_id: 1, image_id: 7 },
    { image_id: 42, category_id: 18, bbox: [-1, 2.5, 1e2, 0], note: [{ a: 1 }, { image_id: 3 }], score: 1 },
  ];
}

describe("a results file as bytes", () => {
  it("gives what the parsed value gives, through any window", () => {
    fc.assert(
      fc.property(entries, space, small, (list, indent, window) => {
        const text = JSON.stringify(list, null, indent);
        const wanted = parseResults(JSON.parse(text), { file });
        expect(parseResults(bytesOf(text), { file })).toEqual(wanted);
        expect(readResultsPart(pieceSource(bytesOf(text), window), { file, window })).toEqual({
          results: wanted,
          next: -1,
        });
      }),
    );
  });

  it("agrees with JSON.parse on any change of the text: the same columns, the same error, or no JSON to both", () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), space, small, (changes, indent, window) => {
        const bytes = changes.reduce(mutate, bytesOf(JSON.stringify(rich(), null, indent)));
        const found = outcome(() => readResultsPart(pieceSource(bytes, window), { file, window }).results);
        const parsed = parsedOf(bytes);
        if (!parsed) expect(found).toEqual({ error: expect.stringContaining(file) });
        else expect(found).toEqual(outcome(() => parseResults(parsed.json, { file })));
      }),
      { numRuns: 3000 },
    );
  });

  it.each(["NaN", "Infinity", "-Infinity", "1e400"])("names the entry whose score is %s", (token) => {
    const bytes = bytesOf(JSON.stringify(rich()).replace('"score":1}', `"score":${token}}`));
    expect(() => parseResults(bytes, { file })).toThrow(
      `results.json: detection 2 of image 42 needs a finite "score", got ${Number(token)}.`,
    );
  });

  it("takes huge boxes whose sum is no double", () => {
    const bbox = [1e308, 1e308, 1e308, 1e308];
    const text = JSON.stringify([{ ...rich()[0], bbox }]);
    expect([...parseResults(bytesOf(text), { file }).boxes]).toEqual(bbox);
  });

  it("reads columns into memory that threads share", () => {
    const { results } = readResultsPart(byteSource(bytesOf(JSON.stringify(rich()))), { file, shared: true });
    for (const column of Object.values(results)) expect(column.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(results).toEqual(parseResults(rich(), { file }));
  });
});

describe("readResultsPart", () => {
  it("reads a file in parts that put together are the whole, wherever it is cut", () => {
    const text = bytesOf(JSON.stringify(rich(), null, 1));
    const whole = parseResults(rich(), { file });
    for (let limit = 0; limit <= text.length + 1; limit++) {
      const first = readResultsPart(byteSource(text), { file, limit });
      if (first.next < 0) {
        expect(first.results).toEqual(whole);
        continue;
      }
      expect(first.next).toBeGreaterThanOrEqual(limit);
      const rest = readResultsPart(byteSource(text.subarray(first.next)), {
        file,
        start: first.next,
        entry: first.results.scores.length,
      });
      expect(rest.next).toBe(-1);
      expect(concatResults([first.results, rest.results])).toEqual(whole);
    }
  });

  it("names entries and bytes of the file, not of the part", () => {
    const text = JSON.stringify([...rich(), 7]);
    const start = text.indexOf('{"image_id":42', 5);
    const part = (t: string) => () => readResultsPart(byteSource(bytesOf(t.slice(start))), { file, start, entry: 2 });
    expect(part(text)).toThrow("results.json: detection 3 must be an object, got 7.");
    const broken = text.replace(',"note"', ';"note"');
    expect(part(broken)).toThrow(`at byte ${broken.indexOf(";")}, got ";\\"note\\`);
  });
});

describe("findResultStart", () => {
  it("finds an entry, or what looks like one; a part that starts at a wrong one is not where the first part stops", () => {
    const text = bytesOf(JSON.stringify(rich()));
    const starts = new Set<number>();
    for (let start = 0; start < text.length; start++) {
      const found = findResultStart(byteSource(text.subarray(start)), { file, start });
      if (found < 0) continue;
      expect(text[found]).toBe(123);
      starts.add(found);
    }
    const right = [...starts].filter((limit) => readResultsPart(byteSource(text), { file, limit }).next === limit);
    const whole = JSON.stringify(rich());
    expect(right).toEqual([whole.indexOf('{"segmentation"'), whole.lastIndexOf('{"image_id":42')]);
    // The two within a text and a nested list.
    expect(starts.size).toBe(4);
  });

  it("finds none in a text without", () => {
    expect(findResultStart(byteSource(bytesOf("} ] } , [ }")), { file })).toBe(-1);
    expect(findResultStart(byteSource(bytesOf("")), { file })).toBe(-1);
  });
});

it("any bytes at all give columns or a DatasetError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        parseResults(bytes, { file });
      } catch (error) {
        expect(error).toBeInstanceOf(DatasetError);
      }
    }),
  );
});
