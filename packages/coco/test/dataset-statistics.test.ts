import { describe, expect, it } from "vitest";
import { datasetStatistics, parseAnnotations } from "../src";
import { instances } from "./instances";

const parse = (json: unknown) => parseAnnotations(json, { file: "made here" });

describe("datasetStatistics", () => {
  it("counts a small set by hand", () => {
    const json = {
      ...instances(),
      images: [...instances().images, { id: 8, file_name: "c.jpg", width: 10, height: 20 }],
    };
    expect(datasetStatistics(parse(json))).toEqual({
      images: 3,
      imagesWithoutAnnotations: 1,
      boxes: 2,
      crowds: 1,
      perClass: [
        { categoryId: 2, name: "cat", boxes: 1, crowds: 1, images: 2 },
        { categoryId: 9, name: "dog", boxes: 1, crowds: 0, images: 1 },
      ],
      boxesPerImage: { min: 0, median: 0, p90: 2, max: 2, mean: 2 / 3 },
      sizes: { small: 2, medium: 0, large: 0 },
      aspects: { high: 1, square: 1, wide: 0 },
      longerSide: { min: 20, median: 20, p90: 33.5, max: 33.5, mean: 26.75 },
      imageWidth: { min: 10, median: 48, p90: 64, max: 64, mean: 122 / 3 },
      imageHeight: { min: 20, median: 48, p90: 64, max: 64, mean: 44 },
    });
  });

  it.each([
    [1024, "small"],
    [1024.5, "medium"],
    [9216, "medium"],
    [9217, "large"],
  ])("puts the area %d among the %s ones", (area, size) => {
    const annotations = [{ id: 1, image_id: 7, category_id: 2, bbox: [0, 0, 4, 4], area }];
    expect(datasetStatistics(parse({ ...instances(), annotations })).sizes).toMatchObject({ [size]: 1 });
  });

  it("counts an image once for a class, and has zeros for an empty set", () => {
    const one = { id: 1, image_id: 7, category_id: 2, bbox: [0, 0, 4, 4], area: 16 };
    const { perClass } = datasetStatistics(parse({ ...instances(), annotations: [one, { ...one, id: 2 }] }));
    expect(perClass[0]).toMatchObject({ boxes: 2, images: 1 });
    expect(datasetStatistics(parse({ images: [], annotations: [], categories: [] }))).toMatchObject({
      images: 0,
      boxes: 0,
      boxesPerImage: { min: 0, median: 0, p90: 0, max: 0, mean: 0 },
    });
  });
});
