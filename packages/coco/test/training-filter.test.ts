import { DatasetError } from "@caddet/core";
import { expect, it } from "vitest";
import { filterForTraining, parseAnnotations } from "../src/index";
import { changed, instances } from "./instances";

const file = "train.json";

function parse(json: unknown) {
  return parseAnnotations(json, { file });
}

it("leaves a fit data set as it is", () => {
  const dataset = parse(instances());
  expect(filterForTraining(dataset)).toEqual(dataset);
});

it.each([
  ["box-ignored", "ignore", 1],
  ["box-without-area", "area", 0],
  ["box-without-area", "area", -3],
  ["box-under-one-pixel", "bbox", [1, 1, 0.99, 5]],
  ["box-under-one-pixel", "bbox", [1, 1, 5, 0.99]],
] as const)("drops a box and counts it as %s (%s = %j)", (reason, key, value) => {
  const filtered = filterForTraining(parse(changed(instances(), ["annotations", 0, key], value)));
  expect([...filtered.annotations.ids]).toEqual([12, 13]);
  expect([...filtered.annotations.boxes.subarray(0, 4)]).toEqual([0, 0, 48, 64]);
  expect(filtered.skipped).toEqual({ [reason]: 1 });
});

it("keeps a box of one pixel", () => {
  const filtered = filterForTraining(parse(changed(instances(), ["annotations", 0, "bbox"], [1, 1, 1, 1])));
  expect(filtered.annotations.ids.length).toBe(3);
});

it("drops images that are small or have no annotation, and moves the rows of the others", () => {
  const json = instances();
  json.images.unshift({ id: 1, file_name: "c.jpg", width: 31, height: 500 });
  json.images.unshift({ id: 2, file_name: "d.jpg", width: 50, height: 50 });
  json.annotations.push({ id: 20, image_id: 1, category_id: 2, bbox: [0, 0, 5, 5], area: 25, iscrowd: 0 });
  const filtered = filterForTraining(parse(json));
  expect([...filtered.images.ids]).toEqual([7, 3]);
  expect(filtered.images.fileNames).toEqual(["a.jpg", "sub/b.jpg"]);
  expect([...filtered.annotations.imageIndex]).toEqual([0, 1, 0]);
  expect(filtered.skipped).toEqual({
    "image-too-small": 1,
    "image-without-annotation": 1,
    "annotation-of-skipped-image": 1,
  });
  expect(filterForTraining(parse(json), { minSide: 1, dropEmpty: false }).images.ids.length).toBe(4);
});

it("keeps an image that has crowds alone, or nothing but unfit boxes", () => {
  const json = changed(instances(), ["annotations", 1, "area"], 0);
  expect([...filterForTraining(parse(json)).images.ids]).toEqual([7, 3]);
  expect(filterForTraining(parse(instances())).annotations.iscrowd[1]).toBe(1);
});

it("adds to the counts of the parser", () => {
  const json = changed(instances(), ["annotations", 0, "bbox"], [1, 1, 0, 5]);
  const parsed = parseAnnotations(changed(json, ["annotations", 2, "ignore"], 1), { file, onBadEntry: "skip" });
  expect(filterForTraining(parsed).skipped).toEqual({ "box-empty": 1, "box-ignored": 1 });
});

it("throws when nothing is left", () => {
  expect(() => filterForTraining(parse(instances()), { minSide: 1000 })).toThrow(DatasetError);
  expect(() => filterForTraining(parse(instances()), { minSide: 1000 })).toThrow(
    "none of 2 images is fit for training",
  );
});
