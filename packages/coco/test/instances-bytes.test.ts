import { DatasetError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkInstances } from "../src/dataset/annotations";
import { readInstances } from "../src/dataset/instances-bytes";
import { parseAnnotations } from "../src/index";
import { byteSource } from "../src/json/byte-source";
import { changed, instances } from "./instances";
import { bytesOf, mutate, mutation, outcome, parsedOf, pieceSource } from "./json-texts";

const file = "instances.json";
const POLICIES = ["error", "skip", "keep"] as const;

// As the official files are: sections and keys that are not read, polygons, a run-length code.
function rich() {
  const { images, annotations, categories } = instances();
  const outlines = [
    [[1, 2, 3.25, 4e1, -5.5, 6]],
    { counts: [1, 2, 3], size: [48, 64] },
    [
      [0.5, 1, 2, 3, 4, 5],
      [7, 8],
    ],
  ];
  return {
    info: { year: 2017, 'a "quoted" key': [true, null, { deep: [[]] }] },
    annotations: annotations.map((a, n) => ({ segmentation: outlines[n], ...a })),
    licenses: [{ url: "http://x/y", id: 1 }],
    images: images.map((image) => ({ license: 4, coco_url: "http://é/\u2603", ...image, date_captured: "2013" })),
    categories: categories.map((c) => ({ supercategory: "animal", ...c, skeleton: [[1, 2]] })),
  };
}

function read(bytes: Uint8Array, onBadEntry: (typeof POLICIES)[number], window = 1 << 18, segmentation = false) {
  const raw = readInstances(pieceSource(bytes, window), { file, window, segmentation });
  return checkInstances(raw, { file, onBadEntry });
}

const policy = fc.constantFrom(...POLICIES);
const space = fc.constantFrom(undefined, 1, "\t", "\n\r ");

describe("an instances file as bytes", () => {
  it("gives what the parsed value gives, with any window and any white space", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), space, fc.boolean(), (window, indent, segmentation) => {
        const text = JSON.stringify(rich(), null, indent);
        const wanted = parseAnnotations(JSON.parse(text), { file, segmentation });
        expect(read(bytesOf(text), "error", window, segmentation)).toEqual(wanted);
        expect(parseAnnotations(bytesOf(text), { file, segmentation })).toEqual(wanted);
      }),
    );
  });

  it("takes a byte order mark and the lists in any order", () => {
    const { images, annotations, categories } = rich();
    for (const lists of [
      { annotations, images, categories },
      { categories, annotations, images },
    ]) {
      expect(parseAnnotations(bytesOf(`\ufeff${JSON.stringify(lists)}`), { file })).toEqual(
        parseAnnotations(rich(), { file }),
      );
    }
  });

  it("names a file in UTF-16", () => {
    const wide = (text: string) => new Uint8Array(Uint16Array.from(text, (c) => c.charCodeAt(0)).buffer);
    for (const text of ["\ufeff{}", "{}"]) {
      expect(() => parseAnnotations(wide(text), { file })).toThrow("instances.json: is UTF-16 text. Save it as UTF-8.");
    }
  });

  it("fails at every cut, and says at which byte", () => {
    const bytes = bytesOf(JSON.stringify(rich()));
    for (let end = 0; end < bytes.length; end++) {
      for (const window of [1, 7, 1 << 18]) {
        expect(outcome(() => read(bytes.subarray(0, end), "skip", window))).toEqual({
          error: expect.stringMatching(
            /^instances\.json: is not JSON \(expected .* at byte \d+, got .*\)\. Get the file again\.$/,
          ),
        });
      }
    }
  });

  it("agrees with JSON.parse on any change of the text: the same columns, the same error, or no JSON to both", () => {
    const small = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        space,
        policy,
        small,
        (changes, indent, p, window) => {
          const bytes = changes.reduce(mutate, bytesOf(JSON.stringify(rich(), null, indent)));
          for (const segmentation of [false, true]) {
            const found = outcome(() => read(bytes, p, window, segmentation));
            const parsed = parsedOf(bytes);
            const wanted = parsed
              ? outcome(() => parseAnnotations(parsed.json, { file, onBadEntry: p, segmentation }))
              : { error: expect.stringContaining(file) };
            expect(found).toEqual(wanted);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("agrees with JSON.parse on any change of a value", () => {
    const path = fc.oneof(
      fc.tuple(fc.constant("images"), fc.nat(1), fc.constantFrom("id", "file_name", "width", "height")),
      fc.tuple(fc.constant("categories"), fc.nat(1), fc.constantFrom("id", "name")),
      fc.tuple(
        fc.constant("annotations"),
        fc.nat(2),
        fc.constantFrom("id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore", "segmentation"),
      ),
      fc.tuple(fc.constantFrom("images", "annotations", "categories"), fc.nat(1)),
      fc.tuple(fc.constantFrom("images", "annotations", "categories")),
    );
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(2 ** 53, 2 ** 60, -1, 1e308, "11", [1, 2, 3, "4"], true));
    fc.assert(
      fc.property(path, value, policy, fc.boolean(), (at, to, onBadEntry, segmentation) => {
        const text = JSON.stringify(changed(rich(), at, to));
        const options = { file, onBadEntry, segmentation };
        expect(outcome(() => parseAnnotations(bytesOf(text), options))).toEqual(
          outcome(() => parseAnnotations(JSON.parse(text), options)),
        );
      }),
      { numRuns: 600 },
    );
  });

  it.each([
    ["bbox", "[NaN, 0, 1, 1]", "box-not-finite", "the box [NaN, 0, 1, 1] (area 150) is not finite"],
    ["area", "-Infinity", "box-not-finite", "(area -Infinity) is not finite"],
    ["id", "Infinity", "annotation-malformed", 'needs an integer "id", got Infinity'],
  ])("names the annotation whose %s is Python's %s, or counts it", (key, token, reason, text) => {
    const json = changed(rich(), ["annotations", 0, key], "TOKEN");
    const bytes = bytesOf(JSON.stringify(json).replace('"TOKEN"', token));
    expect(() => parseAnnotations(bytes, { file })).toThrow(text);
    expect(parseAnnotations(bytes, { file, onBadEntry: "skip" }).skipped).toEqual({ [reason]: 1 });
  });

  it("names a file of lists in a million lists, wherever they are", () => {
    const deep = "[".repeat(1e6);
    const object = '{"a":'.repeat(1e6);
    for (const nested of [deep, object]) {
      for (const text of [nested, `{"info":${nested}`, `{"images":${nested}`, `{"annotations":[{"bbox":${nested}`]) {
        expect(() => parseAnnotations(bytesOf(text), { file })).toThrow(DatasetError);
      }
    }
    const closed = JSON.stringify(rich()).replace('"annotations"', `"deep":${deep}${"]".repeat(1e6)},"annotations"`);
    expect(() => parseAnnotations(bytesOf(closed), { file })).toThrow("expected at most 1000 nested lists");
    const value = changed(rich(), ["annotations", 0, "bbox"], JSON.parse(`${deep}${"]".repeat(1e6)}`) as unknown);
    expect(() => parseAnnotations(value, { file })).toThrow("annotation 11 of image 7 needs a");
  });

  it("takes the last of a list that comes twice", () => {
    const text = JSON.stringify(rich()).replace("{", '{"annotations":[{"id":1}],"images":7,');
    expect(parseAnnotations(bytesOf(text), { file })).toEqual(parseAnnotations(rich(), { file }));
  });

  it("keeps no more in memory than the window, long tokens aside", () => {
    let longest = 0;
    const whole = byteSource(bytesOf(JSON.stringify(rich())));
    const source = {
      read(into: Uint8Array) {
        longest = Math.max(longest, into.length);
        return whole.read(into);
      },
    };
    checkInstances(readInstances(source, { file, window: 64, segmentation: false }), { file });
    expect(longest).toBe(64);
  });
});
