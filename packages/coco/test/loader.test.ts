import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DatasetError } from "@caddet/core";
import sharp from "sharp";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Batch,
  createLoader,
  type ImageDataset,
  ImageFileError,
  type LoaderOptions,
  loadDataset,
  loadImage,
  type SkippedImage,
} from "../src/node";
import { drawDataset, drawJpeg, drawNoise } from "./drawn-images";

const images = Array.from({ length: 11 }, (_, n) => ({
  id: n + 1,
  width: n % 3 === 0 ? 60 : 90 + n,
  height: n % 3 === 0 ? 90 + n : 60,
}));
const size = { shorter: 48, longer: 96 };
const options: LoaderOptions = { batchSize: 3, size };

let folder: string;
let dataset: ImageDataset;
let remove: () => Promise<void>;

beforeEach(async () => {
  ({ folder, remove } = await drawDataset(images));
  dataset = await loadDataset(folder, "train");
});
afterEach(() => remove());

async function collect(extra: Partial<LoaderOptions> = {}, epoch = 0, startBatch = 0): Promise<Batch[]> {
  const out: Batch[] = [];
  for await (const batch of createLoader(dataset, { ...options, ...extra }).epoch(epoch, { startBatch }))
    out.push(batch);
  return out;
}

const idsOf = (batches: readonly Batch[]) => batches.flatMap(({ imageIds }) => [...imageIds]);
const imageFile = (id: number) => join(folder, "train", `${id}.jpg`);

describe("a batch", () => {
  it("holds each image as loadImage gives it, within the batch's own largest size", async () => {
    for (const batch of await collect()) {
      const [B, H, W] = batch.shape;
      expect(batch.images.length).toBe(B * H * W * 3);
      const single = await Promise.all(batch.imageIds.map((id) => loadImage(imageFile(id), size)));
      expect(H).toBe(Math.max(...single.map((s) => s.shape[1])));
      expect(W).toBe(Math.max(...single.map((s) => s.shape[2])));
      single.forEach((alone, b) => {
        expect(batch.sizes[b]).toEqual(alone.size);
        expect(batch.sourceSizes[b]).toEqual(alone.sourceSize);
        const [, h, w] = alone.shape;
        const padded = new Float32Array(H * W * 3);
        for (let y = 0; y < h; y++) padded.set(alone.images.subarray(y * w * 3, (y + 1) * w * 3), y * W * 3);
        expect(batch.images.subarray(b * H * W * 3, (b + 1) * H * W * 3)).toEqual(padded);
      });
    }
  });

  it("is padded to the multiple asked for", async () => {
    for (const { shape } of await collect({ padTo: 64 })) expect([shape[1] % 64, shape[2] % 64]).toEqual([0, 0]);
  });

  it.each([0, 1])("has boxes on what they mark (flip %d)", async (flip) => {
    for (const { images: values, shape, truths, sizes, flipped } of await collect({ flip })) {
      const [, H, W] = shape;
      truths.forEach(({ boxes, labels, crowd }, b) => {
        expect([...labels, ...crowd]).toEqual([0, 0]);
        expect(flipped[b]).toBe(flip === 1);
        const { width, height } = sizes[b]!;
        const [x1, y1, x2, y2] = boxes as unknown as [number, number, number, number];
        expect(flip === 1 ? x2 : width - (x2 - x1)).toBeCloseTo(flip === 1 ? width : width - width / 3, 3);
        expect([y1, y2]).toEqual([0, height]);
        const red = (x: number) => values[((b * H + 20) * W + Math.round(x)) * 3]!;
        const [dark, light] = flip === 1 ? [x1 + 2, x1 - 3] : [x2 - 3, x2 + 2];
        expect(red(dark)).toBeLessThan(-1.5);
        expect(red(light)).toBeGreaterThan(0.9);
      });
    }
  });
});

describe("the order", () => {
  it("is the file's without shuffling, and each image comes once", async () => {
    expect(idsOf(await collect())).toEqual(images.map(({ id }) => id));
  });

  it("is the same for a seed and an epoch, values and all", async () => {
    const again = { shuffle: true, flip: 0.5, seed: 5, groupByAspect: true };
    const first = await collect(again, 2);
    expect(await collect({ ...again, prefetch: 4 }, 2)).toEqual(first);
    expect(idsOf(await collect(again, 3))).not.toEqual(idsOf(first));
    expect(idsOf(await collect({ ...again, seed: 6 }, 2))).not.toEqual(idsOf(first));
    expect(idsOf(first).sort((a, b) => a - b)).toEqual(images.map(({ id }) => id));
  });

  it("goes on at the very batch", async () => {
    const again = { shuffle: true, flip: 0.5, seed: 5 };
    const whole = await collect(again, 1);
    expect(await collect(again, 1, 2)).toEqual(whole.slice(2));
    expect(await collect(again, 1, whole.length)).toEqual([]);
  });

  it("keeps wide and high images apart when asked", async () => {
    for (const { sourceSizes } of await collect({ groupByAspect: true, shuffle: true })) {
      expect(new Set(sourceSizes.map((s) => s.width > s.height)).size).toBe(1);
    }
  });

  it("is shared out among ranks", async () => {
    const parts = [await collect({ worldSize: 2, rank: 0 }), await collect({ worldSize: 2, rank: 1 })];
    expect(parts.flatMap(idsOf).sort((a, b) => a - b)).toEqual(images.map(({ id }) => id));
  });

  it("has as many batches as it says", async () => {
    for (const extra of [{}, { dropLast: true }, { shuffle: true, worldSize: 3, rank: 2 }, { groupByAspect: true }]) {
      expect((await collect(extra)).length).toBe(createLoader(dataset, { ...options, ...extra }).batchesPerEpoch);
    }
  });
});

describe("a bad image", () => {
  const outside: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const end of outside) await end();
  });

  const faults: [string, (file: string) => Promise<unknown>][] = [
    ["empty-file", (file) => truncate(file, 0)],
    ["undecodable", async (file) => writeFile(file, (await drawNoise(images[1]!)).subarray(0, 1500))],
    ["size-mismatch", async (file) => writeFile(file, await drawJpeg({ width: 91, height: 61 }))],
    ["missing-file", (file) => rm(file)],
    [
      "outside-folder",
      async (file) => {
        const other = await drawDataset([{ ...images[1]!, id: 2 }]);
        outside.push(other.remove);
        await rm(file);
        await symlink(join(other.folder, "train", "2.jpg"), file);
      },
    ],
  ];

  it.each(faults)("(%s) is left out and counted in an evaluation, named once", async (reason, spoil) => {
    await spoil(imageFile(2));
    const skipped: SkippedImage[] = [];
    const loader = createLoader(dataset, { ...options, onSkip: (s) => skipped.push(s) });
    const ids: number[] = [];
    for (let epoch = 0; epoch < 2; epoch++) for await (const batch of loader.epoch(epoch)) ids.push(...batch.imageIds);
    const rest = images.map(({ id }) => id).filter((id) => id !== 2);
    expect(ids).toEqual([...rest, ...rest]);
    expect(loader.skipped()).toEqual({ [reason]: 1 });
    expect(skipped).toMatchObject([{ file: "2.jpg", imageId: 2, reason }]);
  });

  it.each(faults)("(%s) is replaced in training, alike each time", async (reason, spoil) => {
    await spoil(imageFile(2));
    const extra = { shuffle: true, seed: 1, groupByAspect: true };
    const batches = await collect(extra);
    expect(idsOf(batches).length).toBe(images.length);
    expect(idsOf(batches)).not.toContain(2);
    for (const { sourceSizes } of batches) expect(new Set(sourceSizes.map((s) => s.width > s.height)).size).toBe(1);
    const loader = createLoader(dataset, { ...options, ...extra });
    const again: Batch[] = [];
    for await (const batch of loader.epoch(0)) again.push(batch);
    expect(again).toEqual(batches);
    expect(loader.skipped()).toEqual({ [reason]: 1 });
  });

  it.each(faults)("(%s) ends a strict epoch with an error that names it", async (reason, spoil) => {
    await spoil(imageFile(2));
    const error = await collect({ badImages: "error" }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ImageFileError);
    expect((error as ImageFileError).reason).toBe(reason);
    expect((error as ImageFileError).message).toContain("2.jpg");
  });

  it("is replaced by one that lies otherwise where no other is left", async () => {
    const wide = images.filter(({ width, height }) => width > height);
    for (const { id } of wide) await truncate(imageFile(id), 0);
    const batches = await collect({ shuffle: true, groupByAspect: true });
    expect(idsOf(batches).length).toBe(images.length);
  });

  it("ends the epoch when there is no other", async () => {
    for (const { id } of images) await truncate(imageFile(id), 0);
    await expect(collect({ shuffle: true })).rejects.toThrow(DatasetError);
    await expect(collect({ shuffle: true })).rejects.toThrow("none of the images");
    expect(await collect()).toEqual([]);
  });
});

describe("leaving", () => {
  it("ends an epoch early with nothing left in work, and another can begin", async () => {
    const loader = createLoader(dataset, { ...options, prefetch: 3 });
    for await (const batch of loader.epoch(0)) {
      expect(batch.imageIds.length).toBe(3);
      break;
    }
    expect(sharp.counters()).toEqual({ queue: 0, process: 0 });
    const second = loader.epoch(0);
    expect((await second.next()).done).toBe(false);
    await second.return();
    expect((await second.next()).done).toBe(true);
  });

  it("dispose ends what is under way and refuses more", async () => {
    const loader = createLoader(dataset, options);
    let batches = 0;
    for await (const { shape } of loader.epoch(0)) {
      batches += shape[0] > 0 ? 1 : 0;
      loader.dispose();
    }
    expect(batches).toBe(1);
    await expect(loader.epoch(0).next()).rejects.toThrow("The loader was disposed.");
  });
});

it.each([
  [{ batchSize: 0 }, "batchSize must be an integer from 1, got 0."],
  [{ prefetch: 0 }, "prefetch must be an integer from 1"],
  [{ worldSize: 2, rank: 2 }, "rank must be less than worldSize 2, got 2."],
  [{ flip: 1.5 }, "flip is a probability from 0 to 1, got 1.5."],
  [{ seed: 0.5 }, "seed must be an integer"],
  [{ padTo: 0 }, "Padding goes to a multiple of a positive integer"],
  [{ size: { shorter: 2, longer: 1 } }, "1 <= shorter <= longer"],
  [{ normalise: { mean: [0, 0, 0], std: [0, 0, 0] } }, "positive deviations"],
] as [Partial<LoaderOptions>, string][])("createLoader refuses %j", (extra, text) => {
  expect(() => createLoader(dataset, { ...options, ...extra })).toThrow(ConfigError);
  expect(() => createLoader(dataset, { ...options, ...extra })).toThrow(text);
});

it("epoch refuses numbers that are none", async () => {
  const loader = createLoader(dataset, options);
  await expect(loader.epoch(-1).next()).rejects.toThrow(ConfigError);
  await expect(loader.epoch(0, { startBatch: 0.5 }).next()).rejects.toThrow(ConfigError);
});
