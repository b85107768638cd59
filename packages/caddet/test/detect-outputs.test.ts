// Drawings, routes and results, through the command line.
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadResults } from "@caddet/coco/node";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fileNames } from "../src/detect-outputs";
import { type Called, call, errorOf } from "./call";
import { PATHS, writeModel } from "./drawn-model";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let model: string;
beforeAll(async () => {
  set = await drawSet();
  model = await writeModel(set.path("model.safetensors"));
});
afterAll(() => set.remove());

const val = (...names: string[]) => join(set.folder, "val", ...names);
const detect = (...args: string[]) => call("detect", "--run", model, "--engine", "onnx", "--json", ...args);
const linesOf = ({ out }: Called) =>
  out
    .trimEnd()
    .split("\n")
    .slice(0, -1)
    .map(
      (line) => JSON.parse(line) as { image: string; imageId: number; detections: { score: number; box: number[] }[] },
    );

describe("--out", () => {
  it("draws every image with its boxes, images of one name apart", async () => {
    const out = set.path("drawn");
    await sharp(val("1.jpg")).png().toFile(val("a.png"));
    const called = await detect(
      val("1.jpg"),
      join(set.folder, "train", "1.jpg"),
      val("a.png"),
      "--out",
      out,
      "--threshold",
      "0",
      "--max",
      "3",
    );
    expect(called.code, called.err).toBe(0);
    expect((await readdir(out)).sort()).toEqual(["1-2.jpg", "1.jpg", "a.png.jpg"]);
    for (const name of ["1-2.jpg", "1.jpg", "a.png.jpg"]) {
      expect(await sharp(join(out, name)).metadata()).toMatchObject({ format: "jpeg", width: 448, height: 448 });
    }
    const without = await detect(val("1.jpg"), "--out", set.path("plain"), "--threshold", "1");
    expect(without.code, without.err).toBe(0);
    const [plain, drawn] = await Promise.all(
      [set.path("plain"), out].map((folder) => sharp(join(folder, "1.jpg")).raw().toBuffer()),
    );
    const changed = plain!.filter((value, i) => Math.abs(value - drawn![i]!) > 60).length;
    expect(changed).toBeGreaterThan(500);
    expect(changed).toBeLessThan(plain!.length / 3);
  });

  it("never draws over the images, nor looks at its drawings", async () => {
    for (const out of [set.folder, val()]) {
      const called = await detect(val("1.jpg"), "--out", out);
      expect(errorOf(called)).toContain("drawings must not meet images");
    }
    const inside = val("drawings");
    expect((await detect(val(), "--out", inside)).code).toBe(0);
    expect(errorOf(await detect(val(), "--recursive", "--out", inside))).toContain("1.jpg lies in --out");
    expect(await readFile(val("1.jpg"))).not.toEqual(await readFile(join(inside, "1.jpg")));
  });

  it.each(["--out", "--routes"])(
    "refuses a folder for %s that cannot be written to, before it detects",
    async (option) => {
      const file = set.path("file");
      await writeFile(file, "a file");
      const called = await detect(val("1.jpg"), option, join(file, "folder"));
      expect(errorOf(called)).toMatch(
        new RegExp(`^${option} .*folder cannot be written to: ENOTDIR.* Choose another folder\\.$`),
      );
      expect(called.out).toBe("");
    },
  );

  it("gives names apart where a file system takes upper for lower case", () => {
    const name = fileNames();
    expect(["a.jpg", "A.JPG", "a.jpg", "a.png", "b"].map((base) => name(base, ".jpg"))).toEqual([
      "a.jpg",
      "A-2.JPG",
      "a-3.jpg",
      "a.png.jpg",
      "b.jpg",
    ]);
  });
});

describe("--routes", () => {
  it("writes an SVG an image with a line a path and what it cost", async () => {
    const routes = set.path("routes");
    const called = await detect(val("1.jpg"), val("2.jpg"), "--routes", routes);
    expect(called.code, called.err).toBe(0);
    expect(await readdir(routes)).toEqual(["1.jpg.svg", "2.jpg.svg"]);
    const svg = await readFile(join(routes, "1.jpg.svg"), "utf8");
    expect(svg.match(/data-path="/g)).toHaveLength(PATHS);
    expect(svg).toContain(val("1.jpg"));
    expect(svg).toMatch(/MAdds \(\d+% of /);
  });

  it("reads the network from an ONNX file, too", async () => {
    const onnx = set.path("routes.onnx");
    expect((await call("export", "--run", model, "--out", onnx)).code).toBe(0);
    const called = await call("detect", val("1.jpg"), "--run", onnx, "--routes", set.path("routes-onnx"));
    expect(called.code, called.err).toBe(0);
    const [a, b] = await Promise.all(
      ["routes", "routes-onnx"].map((folder) => readFile(join(set.path(folder), "1.jpg.svg"), "utf8")),
    );
    expect(b).toBe(a);
  });
});

describe("--results", () => {
  const annotations = () => ["--annotations", join(set.folder, "annotations", "instances_val.json")];

  it("writes COCO results; images are numbered in their order", async () => {
    const file = set.path("numbered.json");
    const called = await detect(
      val("4.jpg"),
      set.path("none.jpg"),
      val("2.jpg"),
      "--results",
      file,
      "--threshold",
      "0",
      "--max",
      "5",
    );
    expect(called.code, called.err).toBe(0);
    const { imageIds, categoryIds, boxes, scores } = await loadResults(file);
    expect([...imageIds]).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    expect([...categoryIds].every((id) => id === 3 || id === 7)).toBe(true);
    const { detections } = linesOf(called).find(({ imageId }) => imageId === 2)!;
    const [x1, y1, x2, y2] = detections[0]!.box as [number, number, number, number];
    for (const [k, value] of [x1, y1, x2 - x1, y2 - y1].entries()) expect(boxes[20 + k]).toBeCloseTo(value, 1);
    expect(scores[5]).toBeCloseTo(detections[0]!.score, 4);
  });

  it("takes the ids of annotations by file name, folders included, and evaluates with them", async () => {
    await set.change(
      "val",
      ({ images }) => void Object.assign(images[0]!, { id: 77, file_name: "val/1.jpg" }) as undefined,
    );
    await set.change("val", ({ annotations: all }) => void Object.assign(all[0]!, { image_id: 77 }) as undefined);
    const file = set.path("named.json");
    const called = await detect(
      val("2.jpg"),
      val("1.jpg"),
      "--results",
      file,
      ...annotations(),
      "--threshold",
      "0",
      "--max",
      "1",
    );
    expect(called.code, called.err).toBe(0);
    expect([...(await loadResults(file)).imageIds]).toEqual([2, 77]);
    const gt = join(set.folder, "annotations", "instances_val.json");
    expect((await call("coco", "eval", "--gt", gt, "--dt", file)).code).toBe(0);
  });

  it("counts an image that the annotations lack as failed", async () => {
    await mkdir(set.path("more"));
    await copyFile(val("2.jpg"), set.path("more/other.jpg"));
    const file = set.path("some.json");
    const called = await detect(val("2.jpg"), set.path("more/other.jpg"), "--results", file, ...annotations());
    expect(called.code, called.err).toBe(0);
    expect(called.json()).toMatchObject({ images: 1, failed: 1 });
    expect(called.err).toMatch(/^not detected: .*other\.jpg: .*has no image of the name/m);
  });

  it("says what is wrong with the annotations, or the folder of the file, before it detects", async () => {
    const gone = await detect(val("1.jpg"), "--results", set.path("r.json"), "--annotations", set.path("none.json"));
    expect(errorOf(gone)).toContain("none.json");
    expect(gone.out).toBe("");
    const file = set.path("plain-file");
    await writeFile(file, "a file");
    const folder = await detect(val("1.jpg"), "--results", join(file, "r.json"));
    expect(errorOf(folder)).toMatch(/^The folder of --results, .*plain-file cannot be written to: EEXIST/);
  });
});
