import { DatasetError, ShapeError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatResults, detectionsToResults, parseResults, resultsToJson } from "../src/index";

const file = "results.json";
const entry = { image_id: 5, category_id: 2, bbox: [1, 2, 3, 4], score: 0.5 };

describe("parseResults", () => {
  it("gives back what resultsToJson wrote", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const list = fc.array(
      fc.record({
        image_id: fc.maxSafeInteger(),
        category_id: fc.maxSafeInteger(),
        bbox: fc.tuple(number, number, number, number),
        score: number,
      }),
    );
    fc.assert(
      fc.property(list, (json) => {
        expect(resultsToJson(parseResults(json, { file }))).toEqual(json);
      }),
    );
  });

  it("takes any value: columns or a DatasetError", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.array(fc.anything(), { minLength: 1 })), (json) => {
        try {
          const { scores, boxes } = parseResults(json, { file });
          expect(boxes.length).toBe(scores.length * 4);
        } catch (error) {
          expect(error).toBeInstanceOf(DatasetError);
        }
      }),
    );
  });

  it.each([
    [{ ...entry, image_id: "5" }, 'results.json: detection 1 needs an integer "image_id", got "5".'],
    [{ ...entry, category_id: null }, 'results.json: detection 1 of image 5 needs an integer "category_id", got null.'],
    [
      { ...entry, bbox: [1, 2, 3] },
      'results.json: detection 1 of image 5 needs a "bbox" of four finite numbers [x, y, width, height], got [1, 2, 3].',
    ],
    [{ ...entry, score: Number.NaN }, 'results.json: detection 1 of image 5 needs a finite "score", got NaN.'],
    [7, "results.json: detection 1 must be an object, got 7."],
  ])("names the entry %j", (bad, message) => {
    expect(() => parseResults([entry, bad], { file })).toThrow(message);
  });

  it("wants a list", () => {
    expect(() => parseResults({ annotations: [] }, { file })).toThrow(
      "results.json: expected a list of detections, got an object with the keys annotations.",
    );
  });
});

describe("detectionsToResults", () => {
  const detections = [
    { boxes: new Float32Array([1, 2, 4, 8]), scores: new Float32Array([0.5]), labels: new Int32Array([1]) },
    { boxes: new Float32Array(0), scores: new Float32Array(0), labels: new Int32Array(0) },
    {
      boxes: new Float32Array([0, 0, 10, 5, 3, 3, 4, 4]),
      scores: new Float32Array([0.75, 0.25]),
      labels: new Int32Array([0, 1]),
    },
  ];

  it("turns corners into sizes and labels into category ids", () => {
    const results = detectionsToResults(detections, { imageIds: [30, 10, 20], categoryIds: [4, 90] });
    expect(resultsToJson(results)).toEqual([
      { image_id: 30, category_id: 90, bbox: [1, 2, 3, 6], score: 0.5 },
      { image_id: 20, category_id: 4, bbox: [0, 0, 10, 5], score: 0.75 },
      { image_id: 20, category_id: 90, bbox: [3, 3, 1, 1], score: 0.25 },
    ]);
  });

  it("refuses labels without a category and a wrong number of ids", () => {
    expect(() => detectionsToResults(detections, { imageIds: [1, 2, 3], categoryIds: [4] })).toThrow(
      "Image 1 has a detection with label 1, but there are 1 categories.",
    );
    expect(() => detectionsToResults(detections, { imageIds: [1], categoryIds: [4, 90] })).toThrow(ShapeError);
  });
});

it("concatResults keeps the order", () => {
  const part = (image: number) => parseResults([{ ...entry, image_id: image }], { file });
  expect([...concatResults([part(3), part(1), part(2)]).imageIds]).toEqual([3, 1, 2]);
  expect(concatResults([]).scores.length).toBe(0);
});
