// Batches at the edge of what can be: no objects, one class, images of one pixel, one image.
import { CaddetError } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { createTrainer, type StepRecord, type TrainBatch, type TrainConfigInput } from "../src";
import { squares, tinyConfig, tinyDetector } from "./tiny-run";

const withoutBoxes = (batch: TrainBatch): TrainBatch => ({
  ...batch,
  truths: batch.truths.map(() => ({ boxes: new Float32Array(0), labels: new Int32Array(0), crowd: new Uint8Array(0) })),
});

const onePixel = (batch: TrainBatch): TrainBatch => ({
  ...batch,
  images: batch.images.subarray(0, 2 * 3),
  shape: [2, 1, 1, 3],
  sizes: [0, 1].map(() => ({ height: 1, width: 1 })),
  truths: batch.truths.map((truth) => ({ ...truth, boxes: Float32Array.of(0, 0, 1, 1) })),
});

const oneImage = ({ images, truths, sizes, imageIds }: TrainBatch): TrainBatch => ({
  images: images.subarray(0, 32 * 32 * 3),
  shape: [1, 32, 32, 3],
  truths: truths.slice(0, 1),
  sizes: sizes.slice(0, 1),
  imageIds: imageIds.slice(0, 1),
});

const oneClass = (batch: TrainBatch): TrainBatch => ({
  ...batch,
  truths: batch.truths.map((truth) => ({ ...truth, labels: Int32Array.of(0) })),
});

const crowdOnly = (batch: TrainBatch): TrainBatch => ({
  ...batch,
  truths: batch.truths.map((truth) => ({ ...truth, crowd: Uint8Array.of(1) })),
});

async function train(change: (batch: TrainBatch) => TrainBatch, overrides: TrainConfigInput, classes: number) {
  const before = tf.memory().numTensors;
  const config = tinyConfig({ regularizeFromEpoch: 0, schedule: { maxSteps: 3 }, ...overrides });
  const detector = tinyDetector(config, 1, classes);
  const records: StepRecord[] = [];
  const hook = { name: "records", onStep: (record: StepRecord) => void records.push(record) };
  const trainer = createTrainer({ detector, batches: squares(3, change), config, hooks: [hook] });
  await trainer.run();
  for (const { variable } of detector.namedParameters().values()) {
    expect(Array.from(variable.dataSync()).every(Number.isFinite)).toBe(true);
  }
  trainer.dispose();
  detector.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return records;
}

describe.each(inject("backends"))("a run on %s", (backend) => {
  beforeAll(async () => {
    await prepareBackend({ backend });
  });

  it.each([
    ["without boxes", withoutBoxes, 2],
    ["of crowds alone", crowdOnly, 2],
    ["of one class", oneClass, 1],
    ["of images of one pixel", onePixel, 2],
    ["of one image", oneImage, 2],
  ] as const)("trains on batches %s, whole and in parts, with each mapping", async (_, change, classes) => {
    for (const mapping of ["scale", "loss", "fixed"] as const) {
      for (const microBatch of [null, 1]) {
        const records = await train(change, { budget: { mapping }, data: { microBatch } }, classes);
        expect(records).toHaveLength(3);
        for (const { loss, gradientNorm } of records) {
          expect(Object.values(loss).every(Number.isFinite)).toBe(true);
          expect(gradientNorm).toBeGreaterThan(0);
          expect(Object.keys(loss)).toEqual(["total", "classification", "box", "global", "local"]);
        }
      }
    }
  });
});

describe("a batch that cannot be", () => {
  it("is an error, not a crash", async () => {
    await prepareBackend({ backend: "wasm" });
    const before = tf.memory().numTensors;
    const config = tinyConfig({ regularizeFromEpoch: 0 });
    const detector = tinyDetector(config, 1);
    const held = tf.memory().numTensors;
    const trainer = createTrainer({ detector, batches: squares(1, (b) => ({ ...b, shape: [2, 9, 9, 3] })), config });
    const error = await trainer.run().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(CaddetError); // TensorFlow.js says what does not fit
    trainer.dispose();
    expect(tf.memory().numTensors).toBe(held);
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
