// What is wrong with a data set ends a command with one error, or leaves one entry out: by name, counted, and never silently.
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeEach(async () => {
  set = await drawSet();
});
afterEach(() => set.remove());

const train = () =>
  call(
    ...["train", "--data", set.folder, "--out", set.path("run"), "--config", set.configFile],
    ...["--backend", "wasm", "--json"],
  );
const evaluate = () => call("evaluate", "--run", set.path("run"), "--data", set.folder, "--backend", "wasm", "--json");

type Instances = Parameters<Parameters<DrawnSet["change"]>[1]>[0];

// One bad entry each, where it is named, and under which reason it is counted.
const ENTRIES: [string, (json: Instances) => void, string, string][] = [
  [
    "an annotation for an unknown image",
    ({ annotations }) => void annotations.push({ ...annotations[0], id: 999, image_id: 77 }),
    "annotation 999 of image 77: no image has that id",
    "unknown-image",
  ],
  [
    "a class id outside the table",
    ({ annotations }) => void annotations.push({ ...annotations[0], id: 999, category_id: 55 }),
    "annotation 999 of image 1: category 55 is not in the table of 2 categories",
    "unknown-category",
  ],
  [
    "a box that is no box",
    ({ annotations }) => void annotations.push({ ...annotations[0], id: 999, bbox: [1, 2, "3"] }),
    'annotation 999 of image 1 needs a "bbox" of four numbers',
    "annotation-malformed",
  ],
  [
    "a file name that climbs out of the folder",
    ({ images }) => void images.push({ id: 5, file_name: "../val/1.jpg", width: 64, height: 64 }),
    'the "file_name" of image 5, "../val/1.jpg", leaves the folder of the images',
    "file-name-unsafe",
  ],
  [
    "an image without size",
    ({ images }) => void images.push({ id: 5, file_name: "1.jpg" }),
    'image 5 needs "width" and "height"',
    "image-size",
  ],
];

describe("caddet train", () => {
  it.each([
    ...ENTRIES,
    [
      "a box outside its image",
      ({ annotations }) => void annotations.push({ ...annotations[0], id: 999, bbox: [60, 60, 30, 30] }),
      "annotation 999 of image 1: the box [60, 60, 30, 30] lies outside its 64 × 64 image",
      "box-outside-image",
    ],
    [
      "a box without height, as COCO's train2017 has one",
      ({ annotations }) => void annotations.push({ ...annotations[0], id: 999, bbox: [6, 6, 3, 0] }),
      "annotation 999 of image 1: the box [6, 6, 3, 0] has no width or no height",
      "box-empty",
    ],
  ] as typeof ENTRIES)("leaves out %s and goes on", async (_, spoil, message, reason) => {
    await set.change("train", (json) => void spoil(json) as undefined);
    const called = await train();
    expect(called.code, called.err).toBe(0);
    expect(called.err).toContain(`left out: ${join(set.folder, "annotations", "instances_train.json")}: `);
    expect(called.err).toContain(message);
    expect(called.err).toContain(`4 images, 2 classes; left out: 1 ${reason}; 2 steps`);
    expect(called.json()).toMatchObject({ step: 2, skipped: { annotations: { [reason]: 1 }, files: {} } });
  });

  const IMAGES: [string, (file: string) => Promise<void>, string, string][] = [
    [
      "cut in half",
      async (file) => {
        const bytes = await readFile(file);
        await writeFile(file, bytes.subarray(0, bytes.length / 2));
      },
      "is broken (",
      "undecodable",
    ],
    ["no image", (file) => writeFile(file, "not an image"), "is no image that can be read", "undecodable"],
    ["empty", (file) => writeFile(file, ""), "has no bytes", "empty-file"],
    ["gone", (file) => rm(file), "no such image file", "missing-file"],
  ];
  it.each(IMAGES)("lets another image stand in for one that is %s", async (_, spoil, message, reason) => {
    const file = join(set.folder, "train", "2.jpg");
    await spoil(file);
    const called = await train();
    expect(called.code, called.err).toBe(0);
    expect(called.err).toContain(`left out: ${join(set.folder, "train")}`);
    expect(called.err).toContain(`2.jpg: ${message}`);
    expect(called.json()).toMatchObject({ step: 2, skipped: { annotations: {}, files: { [reason]: 1 } } });
  });

  it("leaves earlier checkpoints as they are when going on fails", async () => {
    await train();
    const checkpoint = join(set.path("run"), "checkpoints", "step-00000002.safetensors");
    const before = await readFile(checkpoint);
    for (const n of [1, 2, 3, 4]) await writeFile(join(set.folder, "train", `${n}.jpg`), "not an image");
    const resumed = await call(
      ...["train", "--data", set.folder, "--out", set.path("run"), "--resume", "--backend", "wasm"],
      ...["--set", "schedule.maxSteps=4"],
    );
    expect(errorOf(resumed)).toMatch(/none of the images in .* can be read/);
    expect(await readdir(join(set.path("run"), "checkpoints"))).toEqual(["step-00000002.safetensors"]);
    expect((await readFile(checkpoint)).equals(before)).toBe(true);
  });

  it("ends with one error when no image can be read", async () => {
    for (const n of [1, 2, 3, 4]) await writeFile(join(set.folder, "train", `${n}.jpg`), "not an image");
    expect(errorOf(await train())).toMatch(/none of the images in .* can be read/);
  });

  it.each<[string, (json: Instances) => string | undefined, string]>([
    ["cut JSON", (json) => JSON.stringify(json).slice(0, 200), "is not JSON ("],
    ["a list for an object", () => "[]", "expected an object with images, annotations and categories, got []"],
    [
      "no categories",
      (json) => JSON.stringify({ ...json, categories: undefined }),
      'expected a list under "categories"',
    ],
    ["no image", (json) => JSON.stringify({ ...json, images: [] }), "is fit for training"],
    [
      "nothing but bad boxes",
      (json) => JSON.stringify({ ...json, annotations: json.annotations.map((a) => ({ ...a, image_id: 9 })) }),
      'none of 4 images is fit for training ({"unknown-image":4,"image-without-annotation":4})',
    ],
  ])("ends with one error at %s", async (_, change, message) => {
    await set.change("train", change);
    expect(errorOf(await train())).toContain(message);
  });

  it("ends with one error where the folder, its annotations or its images are missing", async () => {
    await rm(join(set.folder, "train"), { recursive: true });
    expect(errorOf(await train())).toContain(`No folder ${join(set.folder, "train")} or `);
    await rm(join(set.folder, "annotations"), { recursive: true });
    expect(errorOf(await train())).toMatch(/^No file .*instances_train\.json or .*instances_train2017\.json\. Check /);
    const none = await call("train", "--data", set.path("none"), "--out", set.path("run"));
    expect(errorOf(none)).toMatch(/^No file .*none/);
  });

  it("ends with one error where a batch is larger than the set", async () => {
    const called = await call(
      ...["train", "--data", set.folder, "--out", set.path("run"), "--config", set.configFile],
      ...["--backend", "wasm", "--set", "data.batchSize=9"],
    );
    expect(errorOf(called)).toContain("The data set gives no batch");
  });
});

describe("caddet evaluate", () => {
  it.each(ENTRIES)("leaves out %s, and says so", async (_, spoil, _message, reason) => {
    await train();
    const clean = (await evaluate()).json();
    await set.change("val", (json) => void spoil(json) as undefined);
    const called = await evaluate();
    expect(called.code, called.err).toBe(0);
    expect(called.err).toContain(`left out of ${join(set.folder, "annotations", "instances_val.json")}: 1 ${reason}\n`);
    expect(called.json()).toMatchObject({ images: 4, skipped: { annotations: { [reason]: 1 }, files: {} } });
    expect(called.json().stats).toEqual(clean.stats);
  });

  it("keeps degenerate boxes, as pycocotools does", async () => {
    await train();
    await set.change(
      "val",
      ({ annotations }) => void annotations.push({ ...annotations[0], id: 999, bbox: [6, 6, 0, 3] }) as undefined,
    );
    const called = await evaluate();
    expect(called.code, called.err).toBe(0);
    expect(called.json()).toMatchObject({ skipped: { annotations: {}, files: {} } });
  });

  it("counts the images that it could read", async () => {
    await train();
    const file = join(set.folder, "val", "3.jpg");
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, bytes.length / 2));
    const called = await evaluate();
    expect(called.code, called.err).toBe(0);
    expect(called.err).toContain(`left out: ${join(set.folder, "val", "3.jpg")}: is broken (`);
    expect(called.json()).toMatchObject({ images: 3, skipped: { files: { undecodable: 1 } } });
  });

  it("ends with one error at cut JSON, and when no image can be read", async () => {
    await train();
    for (const n of [1, 2, 3, 4]) await writeFile(join(set.folder, "val", `${n}.jpg`), "not an image");
    expect(errorOf(await evaluate())).toContain("the batches hold no image to evaluate on");
    await set.change("val", () => '{"images": [');
    expect(errorOf(await evaluate())).toMatch(/instances_val\.json: is not JSON \(/);
  });
});
