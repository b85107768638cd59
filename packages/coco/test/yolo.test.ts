import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { datasetToJson, parseAnnotations, parseResults, parseYoloLabels, resultsToYolo } from "../src";
import { readYoloFolder } from "../src/node";
import { drawJpeg } from "./drawn-images";
import { instances } from "./instances";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder";

const OPTIONS = { file: "a.txt", size: { height: 40, width: 80 }, classes: 2 };

describe("parseYoloLabels", () => {
  it("turns fractions around the centre into pixels from the corner", () => {
    expect(parseYoloLabels("1 0.5 0.5 0.25 0.5\r\n\n  0 .25 2.5e-1 0.5 0.5\n", OPTIONS)).toEqual([
      { label: 1, box: [30, 10, 20, 20] },
      { label: 0, box: [0, 0, 40, 20] },
    ]);
    expect(parseYoloLabels("", OPTIONS)).toEqual([]);
  });

  it("cuts a box at the image's border", () => {
    expect(parseYoloLabels("0 0.0 0.5 0.5 1", OPTIONS)).toEqual([{ label: 0, box: [0, 0, 20, 40] }]);
  });

  it.each([
    ["0 0.5 0.5 0.5", "expected five numbers, class cx cy w h, got 4 fields"],
    ["0 0.1 0.1 0.9 0.1 0.9 0.9", "expected five numbers, class cx cy w h, got 7 fields"],
    ["0 0.5 x 0.5 0.5", 'expected a number, got "x"'],
    ["0 0.5 NaN 0.5 0.5", 'expected a number, got "NaN"'],
    ["0 0.5 0x1 0.5 0.5", 'expected a number, got "0x1"'],
    ["2 0.5 0.5 0.5 0.5", "expected a class from 0 to 1, got 2"],
    ["0.5 0.5 0.5 0.5 0.5", "expected a class from 0 to 1, got 0.5"],
    ["-1 0.5 0.5 0.5 0.5", "expected a class from 0 to 1, got -1"],
    ["0 40 20 10 10", "expected fractions from 0 to 1, got 40 20 10 10"],
    ["0 0.5 0.5 -0.1 0.5", "expected fractions from 0 to 1, got 0.5 0.5 -0.1 0.5"],
    ["0 0.5 0.5 0 0.5", "the box has no width or no height"],
    ["0 0.5 0.5 1e400 0.5", "expected fractions from 0 to 1, got 0.5 0.5 Infinity 0.5"],
  ])("refuses %j and names the line", (line, message) => {
    expect(() => parseYoloLabels(`0 0.5 0.5 0.5 0.5\n${line}\n`, OPTIONS)).toThrow(`a.txt:2: ${message}.`);
  });

  it("gives objects or a DatasetError on any text", () => {
    const piece = fc.oneof(fc.constantFrom("0", "1", "0.5", " ", "\n", "\r", "1e9", "-", "NaN", "\0"), fc.string());
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          for (const { box } of parseYoloLabels(pieces.join(""), OPTIONS)) {
            expect(box[0]).toBeGreaterThanOrEqual(0);
            expect(box[0] + box[2]).toBeLessThanOrEqual(80 + 1e-9);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DatasetError);
        }
      }),
    );
  });
});

const dataset = parseAnnotations(instances(), { file: "made here" });
const results = (entries: object[]) => parseResults(entries, { file: "made here" });

describe("resultsToYolo", () => {
  it("writes a file an image: class, centre and size as fractions, score", () => {
    const found = results([
      { image_id: 3, category_id: 9, bbox: [12, 16, 24, 32], score: 0.25 },
      { image_id: 7, category_id: 2, bbox: [0, 0, 64, 48], score: 1 },
      { image_id: 3, category_id: 2, bbox: [0, 0, 48, 16], score: 0.5 },
    ]);
    expect(resultsToYolo(found, dataset)).toEqual([
      { file: "a.txt", text: "0 0.50000000 0.50000000 1.00000000 1.00000000 1.00000000\n" },
      {
        file: "sub/b.txt",
        text:
          "1 0.50000000 0.50000000 0.50000000 0.50000000 0.25000000\n" +
          "0 0.50000000 0.12500000 1.00000000 0.25000000 0.50000000\n",
      },
    ]);
  });

  it("is undone by parseYoloLabels, but for the score", () => {
    const side = fc.double({ min: 0.5, max: 20, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(2, 9), fc.tuple(side, side, side, side))), (objects) => {
        const found = results(objects.map(([category_id, bbox]) => ({ image_id: 7, category_id, bbox, score: 0.5 })));
        const text = (resultsToYolo(found, dataset)[0]?.text ?? "").replaceAll(/ \S+\n/g, "\n");
        const back = parseYoloLabels(text, { file: "a.txt", size: { height: 48, width: 64 }, classes: 2 });
        expect(back.map(({ label }) => dataset.categories.ids[label])).toEqual(objects.map(([id]) => id));
        for (const [n, { box }] of back.entries()) {
          for (const [k, value] of box.entries()) expect(value).toBeCloseTo(objects[n]![1][k]!, 5);
        }
      }),
    );
  });

  it("refuses what the annotations lack, and label files that two images would share", () => {
    const one = { image_id: 7, category_id: 2, bbox: [0, 0, 1, 1], score: 1 };
    expect(() => resultsToYolo(results([{ ...one, image_id: 5 }]), dataset)).toThrow("Detection 0 is of image 5");
    expect(() => resultsToYolo(results([{ ...one, category_id: 5 }]), dataset)).toThrow("of category 5, which the");
    const images = { ...dataset.images, fileNames: ["a.jpg", "a.png"] };
    expect(() => resultsToYolo(results([one, { ...one, image_id: 3 }]), { ...dataset, images })).toThrow(
      "a.png and a.jpg would share the label file a.txt",
    );
  });
});

const made: TemporaryFolder[] = [];
afterEach(async () => {
  for (const folder of made.splice(0)) await folder.remove();
});

async function yoloFolder(files: Record<string, string | Uint8Array> = {}): Promise<TemporaryFolder> {
  const jpeg = await drawJpeg({ width: 80, height: 40 });
  made.push(
    await temporaryFolder({
      "data.yaml": "path: .\nnames:\n  0: cat\n  1: big dog\n",
      "images/train/a.jpg": jpeg,
      "images/train/b.jpg": jpeg,
      "images/val/c.jpg": jpeg,
      "labels/train/a.txt": "1 0.5 0.5 0.25 0.5\n0 0.5 0.5 1 1",
      "labels/val/c.txt": "0 0.25 0.25 0.5 0.5\n",
      ...files,
    }),
  );
  return made.at(-1)!;
}

describe("readYoloFolder", () => {
  it("reads all splits, and becomes an instances file", async () => {
    const { path } = await yoloFolder({ "images/notes.md": "no image" });
    const found = await readYoloFolder(path);
    expect(found.imageFolder).toBe(join(path, "images"));
    expect(datasetToJson(found)).toEqual({
      images: ["train/a.jpg", "train/b.jpg", "val/c.jpg"].map((file_name, n) => ({
        ...{ id: n + 1, file_name, width: 80, height: 40 },
      })),
      annotations: [
        { id: 1, image_id: 1, category_id: 2, bbox: [30, 10, 20, 20], area: 400, iscrowd: 0 },
        { id: 2, image_id: 1, category_id: 1, bbox: [0, 0, 80, 40], area: 3200, iscrowd: 0 },
        { id: 3, image_id: 3, category_id: 1, bbox: [0, 0, 40, 20], area: 800, iscrowd: 0 },
      ],
      categories: [
        { id: 1, name: "cat" },
        { id: 2, name: "big dog" },
      ],
    });
  });

  it("reads one split, and takes names as they are given", async () => {
    const { path } = await yoloFolder();
    const found = await readYoloFolder(path, { split: "val", names: ["x", "y"] });
    expect(found.imageFolder).toBe(join(path, "images", "val"));
    expect(found.images.fileNames).toEqual(["c.jpg"]);
    expect(found.categories.names).toEqual(["x", "y"]);
  });

  it("keeps the ids that COCO's file names are", async () => {
    const jpeg = await drawJpeg({ width: 80, height: 40 });
    const folder = await temporaryFolder({
      "images/000000000139.jpg": jpeg,
      "images/000000000042.jpg": jpeg,
      "labels/classes.txt": "cat\n",
    });
    made.push(folder);
    expect([...(await readYoloFolder(folder.path)).images.ids]).toEqual([42, 139]);
  });

  it.each([
    [{ "data.yaml": "names: [cat, dog]" }, ["cat", "dog"]],
    [{ "data.yaml": 'names: {1: "b", 0: "a"}' }, ["a", "b"]],
  ])("reads the names of %j", async (files, names) => {
    const { path } = await yoloFolder(files);
    expect((await readYoloFolder(path)).categories.names).toEqual(names);
  });

  it.each([
    [{ "data.yaml": "names: [a\nx: 1" }, /^data\.yaml:2: is no YAML/],
    [{ "data.yaml": "nc: 2" }, /^data\.yaml: expected class names under "names".*got nothing/],
    [{ "data.yaml": "names: {0: a, 2: b}" }, /"names" must give a text for each class from 0 to 1/],
    [{ "data.yaml": "names: {0: a, 1: [x]}" }, /"names" must give a text/],
    [{ "labels/train/a.txt": "7 0.5 0.5 0.5 0.5" }, /labels\/train\/a\.txt:1: expected a class from 0 to 1, got 7/],
    [{ "labels/train/a.txt": new Uint8Array([0xff, 0xfe, 0x00]) }, /a\.txt: is no UTF-8 text/],
    [{ "labels/train/z.txt": "" }, /z\.txt: no image in images\/ belongs to it/],
    [{ "images/train/a.jpg": "" }, /images\/train\/a\.jpg: has no bytes/],
    [{ "images/train/a.jpg": "not an image" }, /a\.jpg: is no image that can be read/],
    [{ "images/train/a.png": "x" }, /share the label file train\/a\.txt/],
  ])("names what is wrong in %j", async (files: Record<string, string | Uint8Array>, message) => {
    const { path } = await yoloFolder(files);
    const error = await readYoloFolder(path).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DatasetError);
    expect((error as Error).message).toMatch(message);
  });

  it("says what a folder lacks", async () => {
    const folder = await yoloFolder();
    await expect(readYoloFolder(folder.path, { split: "../train" })).rejects.toThrow("A split is named by");
    await expect(readYoloFolder(folder.path, { split: "test" })).rejects.toThrow(
      `No folder ${folder.path}/images/test`,
    );
    await rm(join(folder.path, "data.yaml"));
    await expect(readYoloFolder(folder.path)).rejects.toThrow("has neither data.yaml nor classes.txt");
  });

  it("follows no link out of the folder", async () => {
    const outside = await temporaryFolder({ "a.jpg": await drawJpeg({ width: 80, height: 40 }), "a.txt": "" });
    made.push(outside);
    const labels = await yoloFolder();
    await rm(join(labels.path, "labels/train/a.txt"));
    await symlink(join(outside.path, "a.txt"), join(labels.path, "labels/train/a.txt"));
    await expect(readYoloFolder(labels.path)).rejects.toThrow(/a\.txt: leads out of .*labels/);
    const images = await yoloFolder();
    await rm(join(images.path, "images/train/a.jpg"));
    await symlink(join(outside.path, "a.jpg"), join(images.path, "images/train/a.jpg"));
    await expect(readYoloFolder(images.path)).rejects.toThrow(/a\.jpg: leads out of .*images/);
  });
});
