import { readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DatasetError } from "@caddet/core";
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CheckReport, checkDataset } from "../src/node";
import { drawDataset, drawNoise } from "./drawn-images";

interface Instances {
  images: Record<string, unknown>[];
  annotations: Record<string, unknown>[];
  categories: Record<string, unknown>[];
}

let folder: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  const images = [1, 2, 3].map((id) => ({ id, width: 90, height: 60, colour: { r: 60 * id, g: 90, b: 40 } }));
  ({ folder, remove } = await drawDataset(images));
});
afterEach(() => remove());

const image = (name: string) => join(folder, "train", name);

async function change(edit: (json: Instances) => void): Promise<void> {
  const file = join(folder, "annotations", "instances_train.json");
  const json = JSON.parse(await readFile(file, "utf8")) as Instances;
  edit(json);
  await writeFile(file, JSON.stringify(json));
}

// Counts by reason, without what the small set always has: a class with few boxes.
const reasons = ({ counts }: CheckReport) =>
  Object.fromEntries(
    counts.filter(({ reason }) => reason !== "class-rare").map(({ reason, count }) => [reason, count]),
  );

describe("checkDataset", () => {
  it("finds nothing bad in a good set", async () => {
    expect(await checkDataset(folder)).toEqual({
      folder,
      splits: [{ split: "train", images: 3, annotations: 3, classes: 1 }],
      errors: 0,
      warnings: 0,
      information: 1,
      counts: [{ severity: "information", reason: "class-rare", count: 1 }],
      findings: [
        {
          severity: "information",
          reason: "class-rare",
          split: "train",
          message: 'the class "bar" (id 5) has 3 boxes',
        },
      ],
    });
  });

  const IMAGES: [string, () => Promise<unknown>, string, "errors" | "warnings"][] = [
    ["missing", () => rm(image("2.jpg")), "missing-file", "errors"],
    ["empty", () => writeFile(image("2.jpg"), ""), "empty-file", "errors"],
    ["no image", () => writeFile(image("2.jpg"), "not an image"), "undecodable", "errors"],
    [
      "of another size",
      async () => writeFile(image("2.jpg"), await drawNoise({ width: 60, height: 90 })),
      "size-mismatch",
      "errors",
    ],
    [
      "a PNG by its bytes",
      async () => writeFile(image("2.jpg"), await sharp(image("2.jpg")).png().toBuffer()),
      "format-mismatch",
      "warnings",
    ],
    [
      "a copy of another",
      async () => writeFile(image("2.jpg"), await readFile(image("3.jpg"))),
      "image-duplicate",
      "warnings",
    ],
  ];
  for (const mode of ["decode", "header"] as const) {
    it.each(IMAGES)(`finds an image that is %s (${mode})`, async (_, spoil, reason, severity) => {
      await spoil();
      const report = await checkDataset(folder, { images: mode });
      expect(reasons(report)).toEqual({ [reason]: 1 });
      expect(report[severity]).toBe(1);
      expect(report.findings[0]).toMatchObject({ reason, split: "train", file: expect.stringMatching(/^[23]\.jpg$/) });
    });
  }

  it.each([0.3, 0.6, 0.9])("finds a JPEG that is cut to %d of its bytes", async (part) => {
    const bytes = await drawNoise({ width: 640, height: 480 });
    await change(({ images }) => Object.assign(images[1]!, { width: 640, height: 480 }));
    await writeFile(image("2.jpg"), bytes);
    expect(reasons(await checkDataset(folder))).toEqual({});
    await truncate(image("2.jpg"), Math.floor(bytes.length * part));
    expect(reasons(await checkDataset(folder))).toEqual({ undecodable: 1 });
    expect(reasons(await checkDataset(folder, { images: "header" }))).toEqual({});
  });

  it("finds a link out of the folder, and orphans", async () => {
    await rename(image("2.jpg"), join(folder, "outside.jpg"));
    await symlink(join(folder, "outside.jpg"), image("2.jpg"));
    await writeFile(image("orphan.png"), "");
    await writeFile(image("notes.txt"), "");
    const report = await checkDataset(folder);
    expect(reasons(report)).toEqual({ "outside-folder": 1, "orphan-image": 1 });
    expect(report.findings.find(({ reason }) => reason === "orphan-image")).toMatchObject({
      severity: "warning",
      file: "orphan.png",
    });
  });

  it("finds an image twice among splits", async () => {
    await writeFile(
      join(folder, "annotations", "instances_val.json"),
      await readFile(join(folder, "annotations", "instances_train.json")),
    );
    const missing = await checkDataset(folder);
    expect(reasons(missing)).toEqual({ "missing-folder": 1 });
    expect(missing.splits.map(({ split }) => split)).toEqual(["train", "val"]);
    await symlink(join(folder, "train"), join(folder, "val"));
    const report = await checkDataset(folder);
    expect(reasons(report)).toEqual({ "image-duplicate": 3 });
    const messages = report.findings.map(({ message }) => message);
    expect(messages).toContain("val/1.jpg has the same bytes as train/1.jpg");
    expect((await checkDataset(folder, { splits: ["val"] })).warnings).toBe(0);
  });

  const box = { id: 900, image_id: 1, category_id: 5, area: 4, iscrowd: 0, bbox: [1, 1, 2, 2] };
  // What an edit must be found as, and how often.
  const ENTRIES: [string, (json: Instances) => void, Record<string, number>][] = [
    [
      "an image id that is a text",
      ({ images }) => void Object.assign(images[0]!, { id: "1" }),
      { "image-malformed": 1, "unknown-image": 1 },
    ],
    [
      "two images with one id",
      ({ images }) => void images.push({ ...images[0], file_name: "1.jpg" }),
      { "image-id-duplicate": 1 },
    ],
    [
      "two images with one file",
      ({ images }) => void images.push({ ...images[0], id: 9 }),
      { "file-name-duplicate": 1, "image-without-annotations": 1 },
    ],
    ["a negative id", ({ annotations }) => void annotations.push({ ...box, id: -4 }), { "negative-id": 1 }],
    ["the id 0", ({ annotations }) => void annotations.push({ ...box, id: 0 }), { "annotation-id-zero": 1 }],
    [
      "two annotations with one id",
      ({ annotations }) => void annotations.push(box, box),
      { "annotation-id-duplicate": 1 },
    ],
    [
      "an annotation id that is a text",
      ({ annotations }) => void annotations.push({ ...box, id: "7" }),
      { "annotation-malformed": 1 },
    ],
    [
      "a box outside",
      ({ annotations }) => void annotations.push({ ...box, bbox: [80, 1, 20, 20] }),
      { "box-outside-image": 1 },
    ],
    [
      "a box without width",
      ({ annotations }) => void annotations.push({ ...box, bbox: [8, 1, 0, 20] }),
      { "box-empty": 1 },
    ],
    [
      "an unknown class",
      ({ annotations }) => void annotations.push({ ...box, category_id: 6 }),
      { "unknown-category": 1 },
    ],
    ["an unknown image", ({ annotations }) => void annotations.push({ ...box, image_id: 6 }), { "unknown-image": 1 }],
    ["a crowd", ({ annotations }) => void annotations.push({ ...box, iscrowd: 1 }), { crowd: 1 }],
    ["no area", ({ annotations }) => void annotations.push({ ...box, area: 0 }), { "area-not-positive": 1 }],
    ["an image without boxes", ({ annotations }) => void annotations.pop(), { "image-without-annotations": 1 }],
    ["a class without boxes", ({ categories }) => void categories.push({ id: 6, name: "foo" }), { "class-empty": 1 }],
    [
      "an image of no size",
      ({ images }) => void Object.assign(images[2]!, { width: 0 }),
      { "image-size": 1, "annotation-of-skipped-image": 1 },
    ],
    [
      "a file name that leaves the folder",
      ({ images }) => void Object.assign(images[2]!, { file_name: "../3.jpg" }),
      { "file-name-unsafe": 1, "annotation-of-skipped-image": 1, "orphan-image": 1 },
    ],
  ];
  it.each(ENTRIES)("finds %s", async (_, edit, expected) => {
    await change(edit);
    expect(reasons(await checkDataset(folder, { images: "header" }))).toEqual(expected);
  });

  it("finds a file that is no JSON, and a split that is not there", async () => {
    await writeFile(join(folder, "annotations", "instances_train.json"), '{"images": [');
    const report = await checkDataset(folder);
    expect(report).toMatchObject({ errors: 1, splits: [{ split: "train", images: 0 }] });
    expect(report.findings[0]!.message).toContain("instances_train.json");
    expect(reasons(await checkDataset(folder, { splits: ["val"] }))).toEqual({ "annotations-unreadable": 1 });
  });

  it("reports on any mutation of a good file", async () => {
    const file = join(folder, "annotations", "instances_train.json");
    const good = await readFile(file, "utf8");
    const piece = fc.constantFrom(
      "",
      '"',
      "{",
      "}",
      "[",
      "]",
      ",",
      "-1",
      "1e308",
      "null",
      "NaN",
      "[[[[",
      '"id":',
      "9007199254740993",
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length), fc.nat(12), piece, async (at, length, text) => {
        await writeFile(file, good.slice(0, at) + text + good.slice(at + length));
        const { counts, splits } = await checkDataset(folder, { images: "header" });
        expect(counts.length + splits[0]!.images).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });

  it("opens no image where it is told so", async () => {
    await rm(join(folder, "train"), { recursive: true });
    expect((await checkDataset(folder, { images: false })).errors).toBe(0);
    expect(reasons(await checkDataset(folder))).toEqual({ "missing-folder": 1 });
  });

  it("counts everything but keeps only some examples", async () => {
    await change(({ annotations }) => {
      for (let n = 0; n < 7; n++) annotations.push({ ...box, id: 900 + n, iscrowd: 1 });
    });
    const { counts, findings } = await checkDataset(folder, { examples: 2 });
    expect(counts.find(({ reason }) => reason === "crowd")?.count).toBe(7);
    expect(findings.filter(({ reason }) => reason === "crowd").map(({ annotationId }) => annotationId)).toEqual([
      900, 901,
    ]);
  });

  it("tells how far it is", async () => {
    const seen: string[] = [];
    await checkDataset(folder, { concurrency: 1, onProgress: (done, total) => seen.push(`${done}/${total}`) });
    expect(seen).toEqual(["1/3", "2/3", "3/3"]);
  });

  it("refuses wrong calls", async () => {
    await expect(checkDataset(join(folder, "none"))).rejects.toThrow(DatasetError);
    await expect(checkDataset(join(folder, "train"))).rejects.toThrow("has no annotations/instances_SPLIT.json");
    await expect(checkDataset(folder, { splits: ["../train"] })).rejects.toThrow("A split is named by");
    await expect(checkDataset(folder, { concurrency: 0 })).rejects.toThrow(ConfigError);
  });
});
