import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DatasetError } from "@caddet/core";
import sharp from "sharp";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  minIouCrop,
  mosaic,
  photometricDistortion,
  randomFlip,
  type Sample,
  type Transform,
  unmapBoxes,
} from "../src/index";
import { createLocalRenderer } from "../src/loader/batch-renderer";
import { loaderOver } from "../src/loader/loader";
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

describe("augmentation", () => {
  const steps = [photometricDistortion(), mosaic({ size: { height: 60, width: 60 } }), minIouCrop(), randomFlip()];
  const sizes = [size, { shorter: 30, longer: 60 }, { shorter: 64, longer: 96 }];
  const all: Partial<LoaderOptions> = { transforms: steps, size: sizes, shuffle: true, flip: 0.5, seed: 9 };

  it("is the same for a seed and an epoch, however far ahead it is made", async () => {
    const first = await collect(all, 1);
    expect(await collect({ ...all, prefetch: 4 }, 1)).toEqual(first);
    const images = ([batch]: readonly Batch[]) => batch!.images.subarray(0, 500);
    expect(images(await collect(all, 2))).not.toEqual(images(first));
    for (const { images: values, shape, truths, sizes: filled } of first) {
      expect(values.length).toBe(shape[0] * shape[1] * shape[2] * 3);
      truths.forEach(({ boxes, labels }, b) => {
        expect(boxes.length).toBe(labels.length * 4);
        expect(Math.max(0, ...boxes)).toBeLessThanOrEqual(Math.max(filled[b]!.height, filled[b]!.width));
      });
    }
  });

  it("draws by image, so that a run goes on at the very one", async () => {
    const whole = await collect(all, 1);
    expect(await collect(all, 1, 2)).toEqual(whole.slice(2));
    // Another batch size puts other images beside it, and changes nothing of the image.
    const inTwos = await collect({ ...all, batchSize: 2 }, 1);
    const sizeById = (batches: readonly Batch[]) =>
      new Map(batches.flatMap(({ imageIds, sizes: filled }) => imageIds.map((id, b) => [id, filled[b]] as const)));
    expect(sizeById(inTwos)).toEqual(sizeById(whole));
  });

  it.each([[undefined], [steps]])(
    "draws one size for all of a batch where it is told to, by seed and epoch",
    async (transforms) => {
      const many = [20, 24, 28, 32, 36, 40, 44].map((shorter) => ({ shorter, longer: 96 }));
      const extra: Partial<LoaderOptions> = {
        size: many,
        sizeFor: "batch",
        shuffle: true,
        ...(transforms ? { transforms } : {}),
      };
      const shorterSides = (batches: readonly Batch[]) =>
        batches.map(({ sizes: filled }) => [...new Set(filled.map(({ height, width }) => Math.min(height, width)))]);
      const first = await collect(extra, 0);
      expect(shorterSides(first).every((sides) => sides.length === 1)).toBe(true);
      expect(new Set(shorterSides(first).flat()).size).toBeGreaterThan(1);
      expect(shorterSides(await collect({ ...extra, prefetch: 4 }, 0))).toEqual(shorterSides(first));
      expect(shorterSides(await collect(extra, 0, 2))).toEqual(shorterSides(first).slice(2));
      const epochs = await Promise.all([1, 2, 3].map((epoch) => collect(extra, epoch)));
      expect(epochs.some((epoch) => shorterSides(epoch).join() !== shorterSides(first).join())).toBe(true);
    },
  );

  it("draws a size for each image with no transform, too", async () => {
    const batches = await collect({ size: sizes });
    const shorter = batches.flatMap(({ sizes: filled }) => filled.map(({ height, width }) => Math.min(height, width)));
    expect(new Set(shorter).size).toBeGreaterThan(1);
    expect(await collect({ size: sizes }, 0, 1)).toEqual(batches.slice(1));
    const range = await collect({ size: [size, { shorter: 40, longer: 90 }], sizeMode: "range" });
    for (const { sizes: filled } of range) {
      for (const { height, width } of filled) expect(Math.min(height, width)).toBeLessThanOrEqual(48);
    }
  });

  it("has maps that bring boxes back to the file's", async () => {
    for (const extra of [{ flip: 1 }, { flip: 1, transforms: [randomFlip(0)] }, { transforms: [randomFlip(1)] }]) {
      for (const { truths, maps, sourceSizes } of await collect(extra)) {
        truths.forEach(({ boxes }, b) => {
          const { width, height } = sourceSizes[b]!;
          const back = unmapBoxes(boxes, maps[b]!);
          [0, 0, width / 3, height].forEach((v, i) => {
            expect(back[i]).toBeCloseTo(v, 3);
          });
        });
      }
    }
  });

  it("hands a transform the image as its file has it, and others whole", async () => {
    const seen: Sample[][] = [];
    const look: Transform = Object.assign(
      (sample: Sample, _: unknown, others: readonly Sample[] = []) => {
        seen.push([sample, ...others]);
        return sample;
      },
      { others: 2 },
    );
    const batches = await collect({ transforms: [look] });
    expect(seen.length).toBe(images.length);
    for (const samples of seen) {
      expect(samples.length).toBe(3);
      for (const { size: of, rgb } of samples) {
        expect(images.some(({ width, height }) => width === of.width && height === of.height)).toBe(true);
        expect(rgb).toBeInstanceOf(Uint8Array);
      }
    }
    // The pixels are near sharp's, whose resize lies a fraction of a pixel beside.
    const plain = await collect();
    batches.forEach(({ images: values, truths, shape }, n) => {
      expect(shape).toEqual(plain[n]!.shape);
      expect(truths).toEqual(plain[n]!.truths);
      const apart = values.filter((v, i) => Math.abs(v - plain[n]!.images[i]!) > 0.1).length;
      expect(apart / values.length).toBeLessThan(0.1);
    });
  });

  it("replaces bad images, in mosaics as well", async () => {
    for (const id of [2, 5, 6]) await truncate(imageFile(id), 0);
    const batches = await collect(all);
    expect(idsOf(batches).length).toBe(images.length);
    expect(idsOf(batches).some((id) => [2, 5, 6].includes(id))).toBe(false);
    expect(await collect(all)).toEqual(batches);
    await expect(collect({ ...all, badImages: "error" })).rejects.toThrow(ImageFileError);
  });

  it("passes on what a transform throws", async () => {
    const broken: Transform = () => {
      throw new ConfigError("not today");
    };
    await expect(collect({ transforms: [broken] })).rejects.toThrow("not today");
  });
});

describe("memory", () => {
  it.each([1, 2, 4])("holds no more than %d batches beyond the consumer's", async (prefetch) => {
    let made = 0;
    let taken = 0;
    let most = 0;
    const counting = (ahead: number) => {
      const renderer = createLocalRenderer(ahead + 1);
      const render: typeof renderer.render = (job, signal) => {
        most = Math.max(most, ++made - taken);
        return renderer.render(job, signal);
      };
      return { ...renderer, render };
    };
    const loader = loaderOver(dataset, { ...options, batchSize: 1, prefetch }, counting);
    for await (const batch of loader.epoch(0)) {
      taken++;
      expect(batch.imageIds.length).toBe(1);
      // A slow consumer: whatever could be made meanwhile is made.
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(made - taken).toBeLessThanOrEqual(prefetch);
    }
    expect(taken).toBe(images.length);
    // The one that is handed over counts until the consumer has it.
    expect(most).toBe(prefetch + 1);
  });

  it("is used again when batches are given back, with padding clear", async () => {
    const wanted = await collect({ flip: 0.5 });
    const loader = createLoader(dataset, { ...options, flip: 0.5 });
    let n = 0;
    for await (const batch of loader.epoch(0)) {
      expect(batch).toEqual(wanted[n++]);
      batch.images.fill(5);
      loader.recycle(batch);
    }
    loader.dispose();
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
  [{ size: [] }, "At least one size"],
  [{ size: [size], sizeMode: "range" }, "A range lies between two sizes"],
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
