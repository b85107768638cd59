import { DatasetError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groundTruthOf, indexByImage, parseAnnotations } from "../src/index";
import { changed, instances } from "./instances";

const file = "instances_train.json";

function errorOf(json: unknown): DatasetError {
  try {
    parseAnnotations(json, { file });
  } catch (error) {
    if (error instanceof DatasetError) return error;
    throw error;
  }
  throw new Error("Expected a DatasetError.");
}

describe("parseAnnotations", () => {
  it("fills columns in the file's order, categories by rising id", () => {
    const { images, annotations, categories, skipped } = parseAnnotations(instances(), { file });
    expect([...images.ids]).toEqual([7, 3]);
    expect([...images.widths, ...images.heights]).toEqual([64, 48, 48, 64]);
    expect(images.fileNames).toEqual(["a.jpg", "sub/b.jpg"]);
    expect([...categories.ids]).toEqual([2, 9]);
    expect(categories.names).toEqual(["cat", "dog"]);
    expect([...annotations.ids]).toEqual([11, 12, 13]);
    expect([...annotations.imageIndex]).toEqual([0, 1, 0]);
    expect([...annotations.categoryIndex]).toEqual([1, 0, 0]);
    expect([...annotations.boxes.subarray(8)]).toEqual([30.5, 20.25, 33.5, 27.75]);
    expect([...annotations.area]).toEqual([150, 3000, 800]);
    expect([...annotations.iscrowd]).toEqual([0, 1, 0]);
    expect(skipped).toEqual({});
  });

  it("survives any change of one value: columns or a DatasetError, and no error where bad entries are skipped in lists", () => {
    const keys = ["id", "image_id", "category_id", "bbox", "area", "iscrowd", "file_name", "width", "height", "name"];
    const path = fc.oneof(
      fc.tuple(fc.constantFrom("images", "annotations", "categories")),
      fc.tuple(fc.constantFrom("images", "annotations", "categories"), fc.nat(1)),
      fc.tuple(fc.constantFrom("images", "annotations", "categories"), fc.nat(1), fc.constantFrom(...keys)),
      fc.tuple(fc.constant("annotations"), fc.nat(1), fc.constant("bbox"), fc.nat(4)),
    );
    const value = fc.oneof(
      fc.constantFrom(undefined, null, -1, 0, 2 ** 60, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "", "../x", [], {}),
      fc.anything(),
    );
    fc.assert(
      fc.property(path, value, fc.constantFrom("error", "skip", "keep"), (at, to, onBadEntry) => {
        let json: unknown;
        try {
          json = changed(instances(), at, to);
        } catch {
          return; // structuredClone refuses some of fast-check's values
        }
        try {
          const { annotations, images } = parseAnnotations(json, { file, onBadEntry: onBadEntry as "error" });
          expect(annotations.boxes.length).toBe(annotations.ids.length * 4);
          expect([...annotations.imageIndex].every((i) => i >= 0 && i < images.ids.length)).toBe(true);
          expect(annotations.boxes.every(Number.isFinite)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(DatasetError);
          expect((error as DatasetError).message).toContain(file);
          const listEntry = at.length > 1 && at[0] !== "categories";
          expect(onBadEntry === "error" || !listEntry).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("takes any JSON value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(errorOf(json).message).toContain(file);
      }),
    );
  });

  it.each([
    ["image-malformed", ["images", 0, "id"], "seven"],
    ["image-malformed", ["images", 0], null],
    ["image-malformed", ["images", 0, "file_name"], undefined],
    ["image-size", ["images", 0, "width"], 0],
    ["image-size", ["images", 0, "height"], 1e9],
    ["image-id-duplicate", ["images", 1, "id"], 7],
    ["file-name-unsafe", ["images", 0, "file_name"], "../secret.jpg"],
    ["file-name-unsafe", ["images", 0, "file_name"], "sub/../../secret.jpg"],
    ["file-name-unsafe", ["images", 0, "file_name"], "..\\secret.jpg"],
    ["file-name-unsafe", ["images", 0, "file_name"], "/etc/passwd"],
    ["file-name-unsafe", ["images", 0, "file_name"], "C:\\secret.jpg"],
    ["file-name-unsafe", ["images", 0, "file_name"], ""],
    ["file-name-unsafe", ["images", 0, "file_name"], "a\0.jpg"],
    ["annotation-malformed", ["annotations", 0], "box"],
    ["annotation-malformed", ["annotations", 0, "id"], undefined],
    ["annotation-malformed", ["annotations", 0, "image_id"], "7"],
    ["annotation-malformed", ["annotations", 0, "category_id"], 1.5],
    ["annotation-malformed", ["annotations", 0, "bbox"], [1, 2, 3]],
    ["annotation-malformed", ["annotations", 0, "bbox"], undefined],
    ["annotation-malformed", ["annotations", 0, "area"], undefined],
    ["annotation-malformed", ["annotations", 0, "iscrowd"], 2],
    ["annotation-id-duplicate", ["annotations", 1, "id"], 11],
    ["unknown-image", ["annotations", 0, "image_id"], 8],
    ["unknown-category", ["annotations", 0, "category_id"], 1],
    ["box-not-finite", ["annotations", 0, "bbox"], [0, 0, Number.POSITIVE_INFINITY, 1]],
    ["box-not-finite", ["annotations", 0, "bbox"], [Number.NaN, 0, 1, 1]],
    ["box-not-finite", ["annotations", 0, "area"], Number.NaN],
    ["box-empty", ["annotations", 0, "bbox"], [1, 1, 0, 5]],
    ["box-empty", ["annotations", 0, "bbox"], [1, 1, 5, -5]],
    ["box-outside-image", ["annotations", 0, "bbox"], [60, 2, 10, 20]],
    ["box-outside-image", ["annotations", 0, "bbox"], [900, 900, 10, 20]],
    ["box-outside-image", ["annotations", 0, "bbox"], [-5, 0, 10, 20]],
  ] as const)("names or counts %s at %j = %j", (reason, path, to) => {
    const json = changed(instances(), path, to);
    const error = errorOf(json);
    expect(error.details.reason).toBe(reason);
    expect(error.message).toContain(file);
    const { skipped, annotations, images } = parseAnnotations(json, { file, onBadEntry: "skip" });
    expect(skipped[reason]).toBe(1);
    const lostRows = Object.values(skipped).reduce((a, b) => a + b, 0);
    expect(annotations.ids.length + images.ids.length + lostRows).toBe(5);
  });

  it("counts the annotations of an image that was left out apart", () => {
    const json = changed(instances(), ["images", 0, "width"], -1);
    expect(parseAnnotations(json, { file, onBadEntry: "skip" }).skipped).toEqual({
      "image-size": 1,
      "annotation-of-skipped-image": 2,
    });
  });

  it("says file, image and annotation in the error", () => {
    const error = errorOf(changed(instances(), ["annotations", 0, "bbox"], [1, 1, 0, 5]));
    expect(error.message).toBe(
      "instances_train.json: annotation 11 of image 7: the box [1, 1, 0, 5] has no width or no height.",
    );
    expect(error.details).toMatchObject({ file, imageId: 7, annotationId: 11 });
  });

  it.each([
    [["categories", 0, "id"], 2, "two categories have the id 2"],
    [["categories", 0, "name"], undefined, 'category 0 needs an integer "id" and a "name"'],
    [["categories"], undefined, 'expected a list under "categories", got nothing'],
    [["images"], {}, 'expected a list under "images"'],
    [["annotations"], null, 'expected a list under "annotations"'],
  ] as const)("throws at a broken structure even where entries are skipped: %j = %j", (path, to, text) => {
    const json = changed(instances(), path, to);
    expect(() => parseAnnotations(json, { file, onBadEntry: "skip" })).toThrow(DatasetError);
    expect(() => parseAnnotations(json, { file, onBadEntry: "skip" })).toThrow(text);
  });

  it("keeps what pycocotools keeps: degenerate boxes and repeated ids", () => {
    let json = changed(instances(), ["annotations", 0, "bbox"], [1, 1, 0, -5]);
    json = changed(json, ["annotations", 1, "id"], 11);
    const { annotations, skipped } = parseAnnotations(json, { file, onBadEntry: "keep" });
    expect([...annotations.ids]).toEqual([11, 11, 13]);
    expect(skipped).toEqual({});
  });

  it("allows what rounding puts beyond the border", () => {
    const json = changed(instances(), ["annotations", 0, "bbox"], [-0.4, 0, 64.8, 48.3]);
    expect(parseAnnotations(json, { file }).annotations.ids.length).toBe(3);
  });
});

describe("groundTruthOf", () => {
  it("gives corners, labels and crowds of one image", () => {
    const dataset = parseAnnotations(instances(), { file });
    const index = indexByImage(dataset);
    const first = groundTruthOf(dataset, index, 0);
    expect([...first.boxes]).toEqual([1, 2, 11, 22, 30.5, 20.25, 64, 48]);
    expect([...first.labels]).toEqual([1, 0]);
    expect([...first.crowd]).toEqual([0, 0]);
    expect([...groundTruthOf(dataset, index, 1).crowd]).toEqual([1]);
  });
});
