import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeEach(async () => {
  set = await drawSet();
});
afterEach(() => set.remove());

async function write(name: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(set.path(name)), { recursive: true });
  await writeFile(set.path(name), content);
}

const jpeg = (n: number) => readFile(join(set.folder, "val", `${n}.jpg`));
const readJson = async (name: string) => JSON.parse(await readFile(set.path(name), "utf8")) as Record<string, unknown>;

const TRUTH = {
  images: [{ id: 1, file_name: "one.jpg", width: 64, height: 64 }],
  annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [16, 24, 16, 32], area: 512, iscrowd: 0 }],
  categories: [{ id: 1, name: "square" }],
};

describe("caddet coco convert", () => {
  it("makes an instances file of a YOLO folder", async () => {
    await write("yolo/images/one.jpg", await jpeg(1));
    await write("yolo/labels/one.txt", "0 0.375 0.625 0.25 0.5\n");
    const called = await call(
      ...["coco", "convert", set.path("yolo"), "--from", "yolo", "--names", "square"],
      ...["--out", set.path("new/instances_val.json"), "--json"],
    );
    expect(called.code, called.err).toBe(0);
    expect(called.json()).toEqual({
      out: set.path("new/instances_val.json"),
      imageFolder: set.path("yolo/images"),
      images: 1,
      annotations: 1,
      classes: 1,
    });
    expect(await readJson("new/instances_val.json")).toEqual(TRUTH);
  });

  it("makes an instances file of a Pascal VOC folder", async () => {
    await write("voc/JPEGImages/one.jpg", await jpeg(1));
    await write(
      "voc/Annotations/one.xml",
      "<annotation><filename>one.jpg</filename><object><name>square</name><bndbox>" +
        "<xmin>17</xmin><ymin>25</ymin><xmax>32</xmax><ymax>56</ymax></bndbox></object></annotation>",
    );
    const called = await call("coco", "convert", set.path("voc"), "--from", "voc", "--out", set.path("voc.json"));
    expect(called.code, called.err).toBe(0);
    expect(called.out).toContain(`${set.path("voc.json")}: 1 images, 1 annotations, 1 classes`);
    expect(await readJson("voc.json")).toEqual(TRUTH);
  });

  it("makes YOLO label files of results", async () => {
    await write("gt.json", JSON.stringify(TRUTH));
    await write("dt.json", JSON.stringify([{ image_id: 1, category_id: 1, bbox: [16, 24, 16, 32], score: 0.5 }]));
    const called = await call(
      ...[
        "coco",
        "convert",
        "--from",
        "results",
        "--to",
        "yolo",
        "--gt",
        set.path("gt.json"),
        "--dt",
        set.path("dt.json"),
      ],
      ...["--out", set.path("labels"), "--json"],
    );
    expect(called.code, called.err).toBe(0);
    expect(called.json()).toEqual({ out: set.path("labels"), files: 1, detections: 1 });
    expect(await readFile(set.path("labels/one.txt"), "utf8")).toBe(
      "0 0.37500000 0.62500000 0.25000000 0.50000000 0.50000000\n",
    );
  });

  it.each([
    [["--from", "yolo"], "--from yolo needs the folder to read"],
    [["dir", "--from", "voc", "--to", "yolo"], "--from voc goes to COCO's instances file, not to YOLO"],
    [["dir", "--from", "voc", "--gt", "x"], "--gt and --dt go with --from results"],
    [["dir", "--from", "results", "--gt", "x", "--dt", "y"], "--from results takes --gt and --dt, no folder"],
    [["--from", "results", "--to", "yolo", "--gt", "x"], "--from results needs --gt and --dt"],
    [["--from", "results", "--gt", "x", "--dt", "y"], "--from results needs --to yolo"],
    [["--from", "results", "--to", "yolo", "--gt", "x", "--dt", "y", "--split", "z"], "--split and --names go with"],
    [["dir", "--from", "xml"], "Allowed choices are yolo, voc, results"],
    [["dir"], "required option '--from <format>' not specified"],
  ])("refuses the call %j", async (args, message) => {
    const { code, err } = await call("coco", "convert", ...args, "--out", set.path("out"));
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  it("ends with one error that names file and line", async () => {
    await write("yolo/images/one.jpg", await jpeg(1));
    await write("yolo/labels/one.txt", "0 0.375 0.625 0.25 0.5\n1 0.1 0.1 0.1 0.1\n");
    const called = await call(
      ...["coco", "convert", set.path("yolo"), "--from", "yolo", "--names", "square", "--out", set.path("x.json")],
    );
    expect(errorOf(called)).toMatch(/labels\/one\.txt:2: expected a class from 0 to 0, got 1\.$/);
  });
});
