// The drawn data set: what its annotations promise, against the files and the pixels.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, createRandom, DatasetError } from "@caddet/core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type DrawnScenes,
  drawScenes,
  INTERVALS,
  intervalOf,
  planScene,
  type SceneObject,
  SHAPES,
  visibleShare,
} from "../src/scenes";

interface Annotations {
  readonly images: readonly { id: number; file_name: string; width: number; height: number; kind: "easy" | "busy" }[];
  readonly annotations: readonly {
    id: number;
    image_id: number;
    category_id: number;
    bbox: [number, number, number, number];
    area: number;
    iscrowd: number;
  }[];
  readonly categories: readonly { id: number; name: string }[];
}

const counts = { train: 24, val: 12 };
let folder: string;
let drawn: DrawnScenes;
const sets = {} as Record<"train" | "val", Annotations>;

const readSet = async (file: string) => JSON.parse(await readFile(file, "utf8")) as Annotations;
const draw = (name: string, seed: number, n = counts) => drawScenes({ out: join(folder, name), seed, ...n });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-scenes-"));
  drawn = await draw("a", 7);
  for (const split of ["train", "val"] as const) sets[split] = await readSet(drawn[split].annotations);
});
afterAll(() => rm(folder, { recursive: true }));

/** Alpha of a shape drawn alone on a canvas, `[height * width]`. */
async function alphaOf(object: SceneObject, width: number, height: number): Promise<Buffer> {
  const { shape, x, y, width: w, height: h } = object;
  const drawing = SHAPES[shape]!.draw(w, h, createRandom(shape));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><g transform="translate(${x} ${y})">${drawing}</g></svg>`;
  return sharp(Buffer.from(svg)).ensureAlpha().extractChannel(3).raw().toBuffer();
}

describe.each(["train", "val"] as const)("the %s split", (split) => {
  it("has the files that its annotations name, with their sizes", async () => {
    const { images } = sets[split];
    expect(images).toHaveLength(counts[split]);
    expect((await readdir(drawn[split].images)).sort()).toEqual(images.map((image) => image.file_name));
    expect(images[0]!.file_name).toBe("000000000001.jpg");
    for (const { file_name, width, height } of images) {
      const meta = await sharp(join(drawn[split].images, file_name)).metadata();
      expect([meta.format, meta.width, meta.height]).toEqual(["jpeg", width, height]);
    }
  });

  it("has boxes inside the images, with unique ids from 1 and their areas", () => {
    const { images, annotations } = sets[split];
    expect(annotations.map((a) => a.id)).toEqual(annotations.map((_, i) => i + 1));
    expect(annotations).toHaveLength(drawn[split].objectCount);
    for (const { bbox, area, iscrowd, image_id } of annotations) {
      const [x, y, w, h] = bbox;
      const image = images.find(({ id }) => id === image_id)!;
      expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
      expect(x + w).toBeLessThanOrEqual(image.width);
      expect(y + h).toBeLessThanOrEqual(image.height);
      expect(area).toBeCloseTo(w * h, 6);
      expect(iscrowd).toBe(0);
    }
  });

  it("shows every class, every interval, both kinds and both orientations", () => {
    const { images, annotations, categories } = sets[split];
    expect(categories.map(({ name }) => name)).toEqual(drawn.classNames);
    expect(new Set(annotations.map((a) => a.category_id)).size).toBe(SHAPES.length);
    expect(new Set(annotations.map(({ bbox }) => intervalOf(Math.max(bbox[2], bbox[3]))))).toEqual(
      new Set([0, 1, 2, 3]),
    );
    expect(images.filter(({ kind }) => kind === "easy")).toHaveLength(counts[split] / 2);
    expect(new Set(images.map(({ width, height }) => width > height)).size).toBe(2);
  });

  it("keeps what easy and busy promise", () => {
    for (const { id, kind } of sets[split].images) {
      const own = sets[split].annotations.filter(({ image_id }) => image_id === id);
      const intervals = new Set(own.map(({ bbox }) => intervalOf(Math.max(bbox[2], bbox[3])))).size;
      const [least, most, fewest] = kind === "easy" ? [1, 2, 1] : [6, 14, 3];
      expect(own.length).toBeGreaterThanOrEqual(least);
      expect(own.length).toBeLessThanOrEqual(most);
      expect(intervals).toBeGreaterThanOrEqual(fewest);
      if (kind === "easy") expect(intervals).toBe(1);
    }
  });
});

describe("determinism", () => {
  it("gives the same bytes for the same seed", async () => {
    const again = await draw("b", 7);
    for (const split of ["train", "val"] as const) {
      expect(await readFile(again[split].annotations, "utf8")).toBe(await readFile(drawn[split].annotations, "utf8"));
      const name = "000000000002.jpg";
      const [a, b] = await Promise.all([drawn, again].map((set) => readFile(join(set[split].images, name))));
      expect(a!.equals(b!)).toBe(true);
    }
  });

  it("gives others for another seed, and others for the other split", async () => {
    const other = await readSet((await draw("c", 8)).train.annotations);
    expect(other.annotations).not.toEqual(sets.train.annotations);
    expect(sets.val.annotations.slice(0, 5)).not.toEqual(sets.train.annotations.slice(0, 5));
  });

  it("draws the first images alike, however many follow", async () => {
    const few = await readSet((await draw("d", 7, { train: 4, val: 0 })).train.annotations);
    expect(few.annotations).toEqual(sets.train.annotations.filter(({ image_id }) => image_id <= 4));
  });
});

describe("pixels", () => {
  it.each(SHAPES.map(({ name }, shape) => [name, shape] as const))("fills its box: %s", async (_, shape) => {
    const [width, height] = [200, 180];
    const object = { shape, x: 20, y: 30, width: 120, height: 110 };
    const alpha = await alphaOf(object, width, height);
    const solid = Array.from(alpha.keys()).filter((i) => alpha[i]! > 40);
    const [xs, ys] = [solid.map((i) => i % width), solid.map((i) => Math.floor(i / width))];
    // Pointed tips cover little of their last pixels.
    const ends = [Math.min(...xs) - 20, Math.min(...ys) - 30, 139 - Math.max(...xs), 139 - Math.max(...ys)];
    for (const end of ends) expect([0, 1, 2]).toContain(end);
  });

  it("leaves at least 40% of each object in sight", async () => {
    const [width, height] = [512, 384];
    const shares: number[] = [];
    for (let seed = 0; seed < 6; seed++) {
      const { objects } = planScene({ kind: "busy", width, height }, createRandom(seed));
      const alphas = await Promise.all(objects.map((object) => alphaOf(object, width, height)));
      for (const [i, own] of alphas.entries()) {
        const solid = Array.from(own.keys()).filter((p) => own[p]! > 127);
        const seen = solid.filter((p) => alphas.slice(i + 1).every((other) => other[p]! <= 127));
        shares.push(seen.length / solid.length);
        expect(visibleShare(objects[i]!, objects.slice(i + 1))).toBeGreaterThanOrEqual(0.4);
      }
    }
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0.4);
    expect(Math.min(...shares)).toBeLessThan(0.9);
  });
});

describe("borders", () => {
  it("puts a longer side on a bound into the lower interval", () => {
    expect([64, 64.1, 150, 150.1, 360, 360.1, 5000].map(intervalOf)).toEqual([0, 1, 1, 2, 2, 3, 3]);
    expect(INTERVALS).toHaveLength(4);
  });

  it("refuses images that cannot hold the largest interval, and counts that are none", async () => {
    const options = { out: join(folder, "e"), seed: 1, train: 1, val: 1 };
    await expect(drawScenes({ ...options, width: 400, height: 300 })).rejects.toThrow(ConfigError);
    await expect(drawScenes({ ...options, train: -1 })).rejects.toThrow("integers of at least 0");
    expect(() => planScene({ kind: "busy", width: 60, height: 60 }, createRandom(1))).toThrow(DatasetError);
  });
});
