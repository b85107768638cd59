// Batches at the edge of what can be: no objects, one class, images of one pixel, one image.
import { CaddetError, readState } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
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
  for (const { data } of (await readState(detector)).values()) {
    expect(Array.from(data as Float32Array).every(Number.isFinite)).toBe(true);
  }
  trainer.dispose();
  detector.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return records;
}

describe.each(backends)("a run on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  const batches = [
    { name: "without boxes", change: withoutBoxes, classes: 2 },
    { name: "of crowds alone", change: crowdOnly, classes: 2 },
    { name: "of one class", change: oneClass, classes: 1 },
    { name: "of images of one pixel", change: onePixel, classes: 2 },
    { name: "of one image", change: oneImage, classes: 2 },
  ];
  const mappings = ["scale", "loss", "fixed"] as const;

  it.each(batches.flatMap((batch) => mappings.map((mapping) => ({ ...batch, mapping }))))(
    "trains on batches $name with the mapping $mapping, whole and in parts",
    async ({ change, classes, mapping }) => {
      for (const microBatch of [null, 1]) {
        const records = await train(change, { budget: { mapping }, data: { microBatch } }, classes);
        expect(records).toHaveLength(3);
        for (const { loss, gradientNorm } of records) {
          expect(Object.values(loss).every(Number.isFinite)).toBe(true);
          expect(gradientNorm).toBeGreaterThan(0);
          expect(Object.keys(loss)).toEqual(["total", "classification", "box", "global", "local"]);
        }
      }
    },
  );
});

describe("a batch that cannot be", () => {
  it("is an error, not a crash", async () => {
    await useBackend("wasm");
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
