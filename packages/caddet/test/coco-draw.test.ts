import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeEach(async () => {
  set = await drawSet();
});
afterEach(() => set.remove());

const files = () => [
  "--gt",
  join(set.folder, "annotations", "instances_val.json"),
  "--images",
  join(set.folder, "val"),
];
const draw = (...args: string[]) => call("coco", "draw", ...files(), "--out", set.path("out"), ...args);

async function pixels(file: string) {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return {
    ...info,
    at: (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)],
  };
}

describe("caddet coco draw", () => {
  it("draws every image", async () => {
    const called = await draw("--json");
    expect(called.code, called.err).toBe(0);
    expect(called.json()).toEqual({ out: set.path("out"), drawn: ["1.jpg", "2.jpg", "3.jpg", "4.jpg"], failures: 0 });
  });

  it("enlarges small images, so that lines and names can be seen", async () => {
    await draw("--limit", "1");
    const before = await pixels(join(set.folder, "val", "1.jpg"));
    const after = await pixels(join(set.path("out"), "1.jpg"));
    expect([after.width, after.height]).toEqual([448, 448]);
    // The square of image 1, from (4, 3) on with a side of 18, is red; its left edge is dotted.
    expect(before.at(12, 12)[0]).toBeGreaterThan(190);
    expect(after.at(12 * 7 + 3, 10 * 7)[0]).toBeGreaterThan(190);
    const greens = Array.from({ length: 60 }, (_, k) => after.at(4 * 7, 40 + k)[1]!);
    expect(Math.max(...greens)).toBeGreaterThan(180);
  });

  it("leaves everything but the lines and names as it was", async () => {
    const create = { width: 640, height: 480, channels: 3 as const, background: "#405060" };
    await sharp({ create })
      .jpeg()
      .toFile(join(set.folder, "val", "big.jpg"));
    await set.change("val", ({ images, annotations }) => {
      Object.assign(images[0]!, { file_name: "big.jpg", width: 640, height: 480 });
      Object.assign(annotations[0]!, { bbox: [200, 100, 300, 200] });
      return undefined;
    });
    await draw("--limit", "1");
    const { width, height, channels, at } = await pixels(join(set.path("out"), "big.jpg"));
    expect([width, height, channels]).toEqual([640, 480, 3]);
    const change = (x: number, y: number) => Math.max(...at(x, y).map((v, i) => Math.abs(v - [64, 80, 96][i]!)));
    for (const [x, y] of [
      [20, 20],
      [350, 200],
      [600, 400],
      [350, 320],
    ] as const)
      expect(change(x, y)).toBeLessThan(4);
    // A dotted line along the left edge.
    const line = Array.from({ length: 60 }, (_, k) => change(200, 120 + k));
    expect(Math.max(...line)).toBeGreaterThan(100);
  });

  it("draws detections in a colour of their own, from the threshold on", async () => {
    const results = [
      { image_id: 1, category_id: 7, bbox: [30, 30, 30, 30], score: 0.9 },
      { image_id: 2, category_id: 3, bbox: [30, 30, 30, 30], score: 0.2 },
    ];
    await writeFile(set.path("results.json"), JSON.stringify(results));
    await draw();
    const [one, two] = await Promise.all(["1.jpg", "2.jpg"].map((name) => readFile(join(set.path("out"), name))));
    await draw("--dt", set.path("results.json"), "--threshold", "0.5");
    expect((await readFile(join(set.path("out"), "1.jpg"))).equals(one!)).toBe(false);
    expect((await readFile(join(set.path("out"), "2.jpg"))).equals(two!)).toBe(true);
  });

  it("shows any class name as text", async () => {
    await set.change("val", ({ categories }) => {
      for (const category of categories) category.name = '</text><script>"&\u0000 \ud800';
      return undefined;
    });
    const called = await draw();
    expect(called.code, called.err).toBe(0);
  });

  it("draws only the first images, and makes JPEG files of others", async () => {
    await set.change(
      "val",
      ({ images }) => void Object.assign(images[0]!, { file_name: "sub.dir/1.png" }) as undefined,
    );
    const { mkdir } = await import("node:fs/promises");
    await mkdir(join(set.folder, "val", "sub.dir"));
    await sharp(join(set.folder, "val", "1.jpg"))
      .png()
      .toFile(join(set.folder, "val", "sub.dir", "1.png"));
    expect((await draw("--limit", "2")).out).toContain(`2 images in ${set.path("out")}`);
    expect(await readdir(set.path("out"))).toEqual(["2.jpg", "sub.dir"]);
    expect((await sharp(join(set.path("out"), "sub.dir", "1.png.jpg")).metadata()).format).toBe("jpeg");
  });

  it("goes on at an image that cannot be drawn, says so, and ends with 1", async () => {
    await writeFile(join(set.folder, "val", "2.jpg"), "not an image");
    await set.change("val", ({ images }) => void Object.assign(images[2]!, { width: 65 }) as undefined);
    const called = await draw("--json");
    expect(called.code).toBe(1);
    expect(called.json()).toMatchObject({ drawn: ["1.jpg", "4.jpg"], failures: 2 });
    expect(called.err).toContain("not drawn: 2.jpg: is broken (");
    expect(called.err).toContain("not drawn: 3.jpg: is 64 × 64, the annotations say 65 × 64.");
  });

  it("never draws over the images", async () => {
    for (const out of ["set/val", "set/val/drawn", "set"]) {
      const called = await call("coco", "draw", ...files(), "--out", set.path(out));
      expect(errorOf(called)).toContain("must not lie in one another");
    }
  });

  it("fails with one error where something is missing", async () => {
    const results = [{ image_id: 1, category_id: 99, bbox: [1, 1, 2, 2], score: 1 }];
    await writeFile(set.path("results.json"), JSON.stringify(results));
    expect(errorOf(await draw("--dt", set.path("results.json")))).toContain("Detection 0 is of category 99");
    expect(errorOf(await draw("--images", set.path("none")))).toContain(`No folder ${set.path("none")}`);
    expect((await call("coco", "draw", ...files())).code).toBe(2);
  });
});
