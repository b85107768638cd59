import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deserializeDetector, serializeDetector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parts } from "../src/parts";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let run: string;
let image: string;
const detect = (file: string, ...more: string[]) =>
  call("detect", "--run", run, "--image", file, "--backend", "wasm", ...more);

beforeAll(async () => {
  set = await drawSet();
  run = set.path("run");
  const { code, err } = await call(
    ...["train", "--data", set.folder, "--out", run, "--config", set.configFile, "--backend", "wasm"],
  );
  expect(code, err).toBe(0);
  // Larger than the network's input, so that boxes in the input's pixels would show.
  image = set.path("wide.png");
  await sharp(join(set.folder, "val", "4.jpg"))
    .resize(240, 160, { fit: "fill" })
    .png()
    .toFile(image);
});
afterAll(() => set.remove());

describe("caddet detect", () => {
  it("gives boxes in the image's own pixels, their cost and time, and keeps no tensor", async () => {
    const before = tf.memory().numTensors;
    const called = await detect(image, "--json", "--threshold", "0");
    expect(called.code, called.err).toBe(0);
    const { detections, ...rest } = called.json() as {
      detections: { label: string; categoryId: number; score: number; box: number[] }[];
    } & Record<string, unknown>;
    expect(rest).toMatchObject({
      image,
      width: 240,
      height: 160,
      input: { height: 64, width: 128 }, // 64 × 96, padded to multiples of 64
      backend: "wasm",
    });
    expect(rest.madds).toBeGreaterThan(0);
    expect(rest.openPaths).toBeGreaterThan(0);
    expect(rest.ms).toBeGreaterThan(0);
    expect(detections.length).toBeGreaterThan(0);
    expect(detections.length).toBeLessThanOrEqual(100);
    for (const { label, categoryId, box } of detections) {
      expect(label).toBe(categoryId === 3 ? "even" : "odd");
      const [x1, y1, x2, y2] = box as [number, number, number, number];
      expect(x1 >= 0 && x1 <= x2 && x2 <= 240.01 && y1 >= 0 && y1 <= y2 && y2 <= 160.01).toBe(true);
    }
    expect(Math.max(...detections.map(({ box }) => box[2]!))).toBeGreaterThan(130);
    const scores = detections.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(tf.memory().numTensors).toBe(before);
  });

  it("keeps to the threshold and the number", async () => {
    const of = async (...more: string[]) =>
      (await detect(image, "--json", ...more)).json().detections as { score: number }[];
    const all = await of("--threshold", "0");
    const middle = all[all.length >> 1]!.score;
    const above = await of("--threshold", String(middle));
    expect(above).toEqual(all.filter(({ score }) => score >= middle));
    expect(await of("--threshold", "0", "--max", "1")).toEqual(all.slice(0, 1));
  });

  it("tells people in words", async () => {
    expect((await detect(image, "--threshold", "1")).out).toMatch(/^nothing found\n\d+\.\d M MAdds, \d+ ms on wasm\n$/);
    const { out } = await detect(image, "--threshold", "0", "--max", "2");
    expect(out.split("\n")[0]).toMatch(/^label +score +x1 +y1 +x2 +y2$/);
    expect(out.trimEnd().split("\n")).toHaveLength(4);
  });

  it.each<[string, string, string | ((whole: Buffer) => Buffer | string), RegExp]>([
    ["a JPEG that is cut in half", "cut.jpg", (whole) => whole.subarray(0, whole.length / 2), /premature end/],
    ["no image", "text.jpg", "not an image", /unsupported image format/],
    ["an empty file", "empty.jpg", "", /Give a whole image file/],
    [
      "a drawing",
      "drawing.svg",
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      /it is svg; read are /,
    ],
  ])("refuses %s", async (_, name, content, message) => {
    const file = set.path(name);
    const whole = await readFile(join(set.folder, "val", "1.jpg"));
    await writeFile(file, typeof content === "string" ? content : content(whole));
    const before = tf.memory().numTensors;
    const text = errorOf(await detect(file));
    expect(text).toContain(`${file} cannot be used: `);
    expect(text).toMatch(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("says that an image, or a run, is missing", async () => {
    expect(errorOf(await detect(set.path("none.jpg")))).toMatch(/none\.jpg cannot be used: ENOENT/);
    const called = await call("detect", "--run", set.path("none"), "--image", image, "--backend", "wasm");
    expect(errorOf(called)).toMatch(/none is not there\./);
  });

  it("refuses a file that does not say how images were prepared", async () => {
    const bundle = deserializeDetector(await readFile(join(run, "checkpoints", "step-00000002.safetensors")), {
      parts,
    });
    const file = set.path("bare.safetensors");
    await writeFile(file, await serializeDetector({ ...bundle, metadata: {} }));
    bundle.detector.dispose();
    const called = await call("detect", "--run", file, "--image", image, "--backend", "wasm");
    expect(errorOf(called)).toContain("bare.safetensors does not say how its images were prepared.");
  });
});
