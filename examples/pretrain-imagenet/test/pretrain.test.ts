// The example on four drawn classes: it learns, goes on where it stopped, accumulates pieces, and its file starts a detector.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, parseSafetensors } from "@caddet/core";
import { buildDetector, loadWeights, parseModelConfig } from "@caddet/detector";
import { fcosFactory } from "@caddet/heads";
import { prepareBackend } from "@caddet/runtime/node";
import { supernetFactory } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readClassFolders } from "../src/class-folders";
import { centralCrop, randomCrop } from "../src/image-batches";
import { type EpochRecord, type PretrainOptions, pretrain } from "../src/pretrain";

let folder: string;

// Four colours on grey, each at a random place.
const COLOURS = { blue: "#22c", green: "#2c2", red: "#c22", white: "#eee" };

async function draw(split: string, count: number): Promise<void> {
  const random = createRandom(count);
  for (const [name, colour] of Object.entries(COLOURS)) {
    await mkdir(join(folder, split, name), { recursive: true });
    for (let n = 0; n < count; n++) {
      const [x, y] = [random.int(20), random.int(20)];
      const svg = `<svg width="48" height="48"><rect width="48" height="48" fill="#888"/><rect x="${x}" y="${y}" width="28" height="28" fill="${colour}"/></svg>`;
      await sharp(Buffer.from(svg))
        .png()
        .toFile(join(folder, split, name, `${n}.png`));
    }
  }
}

async function optionsOf(file: string, extra: Partial<PretrainOptions> = {}): Promise<PretrainOptions> {
  const train = await readClassFolders(join(folder, "train"));
  const val = await readClassFolders(join(folder, "val"), train.classes);
  const plain = { epochs: 6, batch: 16, piece: 16, rate: 0.05, side: 32, seed: 1 };
  return { preset: "tiny", train, val, file: join(folder, file), onEpoch: () => {}, ...plain, ...extra };
}

beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
  folder = await mkdtemp(join(tmpdir(), "caddet-pretrain-"));
  await draw("train", 16);
  await draw("val", 4);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("pretrain", () => {
  it("learns, leaves no tensor, and goes on from its file with the same bytes", async () => {
    const before = tf.memory().numTensors;
    const records: EpochRecord[] = [];
    await pretrain(await optionsOf("whole.safetensors", { onEpoch: (record) => records.push(record) }));
    expect(records.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(records[5]!.loss).toBeLessThan(0.8 * records[0]!.loss);
    expect(records[5]!.top1).toBeGreaterThan(0.5);
    expect(records[5]!.top5).toBe(1); // four classes
    expect(tf.memory().numTensors).toBe(before);

    const stopped = await optionsOf("stopped.safetensors", {
      onEpoch: ({ epoch }) => {
        if (epoch === 3) throw new Error("stop");
      },
    });
    await expect(pretrain(stopped)).rejects.toThrow("stop");
    await pretrain({ ...stopped, onEpoch: () => {} });
    const [whole, resumed] = await Promise.all(
      ["whole", "stopped"].map((name) => readFile(join(folder, `${name}.safetensors`))),
    );
    expect(resumed!.equals(whole!)).toBe(true);
  });

  it("starts a detector with all but routers and head", async () => {
    const parts = { backbones: [supernetFactory], heads: [fcosFactory] };
    const config = parseModelConfig(
      { backbone: { preset: "tiny" }, head: { stackedConvs: 1, channels: 16, groups: 4 } },
      parts,
    );
    const detector = buildDetector(config, { parts, numClasses: 3, random: createRandom(0) });
    const { arrays } = parseSafetensors(await readFile(join(folder, "whole.safetensors")), "whole");
    const weights = new Map([...arrays].filter(([name]) => !name.includes("/")));
    const report = loadWeights(detector, weights);
    expect(report.unexpected).toEqual(["classifier.weight", "classifier.bias"]);
    expect(report.mismatched).toEqual([]);
    expect(report.missing.every((name) => name.includes(".router.") || name.startsWith("head."))).toBe(true);
    expect(report.loaded.length + report.missing.length).toBe(detector.stateDict().size);
    const some = report.loaded.find((key) => key.startsWith("backbone.stem."))!;
    expect(await detector.stateDict().get(some)!.data()).toEqual(weights.get(some)!.data);
    expect(() => loadWeights(detector, weights, { strict: true })).toThrow(/belong to another model/);
    detector.dispose();
  });

  it("refuses what does not fit", async () => {
    await expect(pretrain(await optionsOf("x", { piece: 5 }))).rejects.toThrow(
      "--piece should divide --batch 16, got 5",
    );
    await expect(pretrain(await optionsOf("x", { batch: 128, piece: 64 }))).rejects.toThrow(
      "needs as many images, got 64",
    );
    await expect(readClassFolders(join(folder, "val"), ["red"])).rejects.toThrow('class "blue" is not one of the 1');
    await expect(readClassFolders(join(folder, "nowhere"))).rejects.toThrow("cannot be read");
    const other = await optionsOf("whole.safetensors");
    const renamed = { ...other, train: { ...other.train, classes: ["a", "b", "c", "d"] } };
    await expect(pretrain(renamed)).rejects.toThrow("of other classes");
  });
});

describe("crops", () => {
  it("stay inside the image", () => {
    const random = createRandom(0);
    for (let n = 0; n < 500; n++) {
      const [width, height] = [1 + random.int(300), 1 + random.int(300)];
      for (const crop of [randomCrop(width, height, random), centralCrop(width, height)]) {
        expect(Math.min(crop.left, crop.top)).toBeGreaterThanOrEqual(0);
        expect(Math.min(crop.width, crop.height)).toBeGreaterThanOrEqual(1);
        expect(crop.left + crop.width).toBeLessThanOrEqual(width);
        expect(crop.top + crop.height).toBeLessThanOrEqual(height);
      }
    }
  });
});
