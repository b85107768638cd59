// The plain loop and the trainer, from the same weights on the same batches, end with the same weights.
import { createRandom, readState, type StoredArray } from "@caddet/core";
import { buildDetector, parseModelConfig } from "@caddet/detector";
import { FcosHead, fcosFactory } from "@caddet/heads";
import { prepareBackend } from "@caddet/runtime/node";
import { type Supernet, supernetFactory } from "@caddet/supernet";
import { createTrainer, parseTrainConfig, type TrainBatch } from "@caddet/trainer";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { plainTrain } from "../src/plain-train";

const SIDE = 64;
const parts = { backbones: [supernetFactory], heads: [fcosFactory] };

function drawBatch(seed: number): TrainBatch {
  const random = createRandom(seed);
  const images = Float32Array.from({ length: 2 * SIDE * SIDE * 3 }, () => random.normal());
  const truthOf = () => {
    const [x, y, side] = [random.int(20), random.int(20), 20 + random.int(20)];
    const crowd = new Uint8Array(1);
    return { boxes: Float32Array.of(x, y, x + side, y + side), labels: Int32Array.of(random.int(2)), crowd };
  };
  const size = { height: SIDE, width: SIDE };
  return { images, shape: [2, SIDE, SIDE, 3], truths: [truthOf(), truthOf()], sizes: [size, size], imageIds: [1, 2] };
}

const batches = {
  batchesPerEpoch: 3,
  async *epoch(epoch: number) {
    for (let n = 0; n < 3; n++) yield drawBatch(3 * epoch + n);
  },
};

function setUp() {
  const checked = parseTrainConfig({
    model: { backbone: { preset: "tiny" }, head: { channels: 16, stackedConvs: 1, groups: 4 } },
    schedule: { epochs: 2 },
    optimizer: { lr: 0.5 }, // the warm-up leaves 0.0005 to 0.0055 of it
  });
  const config = { ...checked, model: parseModelConfig(checked.model, parts) };
  return { config, detector: buildDetector(config.model, { parts, numClasses: 2, random: createRandom(5) }) };
}

beforeAll(async () => {
  await prepareBackend({ backend: "cpu" });
});

it("ends with the trainer's weights", async () => {
  const engine = setUp();
  const start = await readState(engine.detector);
  const losses: number[] = [];
  const hooks = [
    { name: "losses", onStep: ({ loss }: { loss: Record<string, number> }) => void losses.push(loss.total!) },
  ];
  const trainer = createTrainer({ detector: engine.detector, batches, config: engine.config, hooks });
  await trainer.run();
  const wanted = await readState(engine.detector);
  trainer.dispose();
  engine.detector.dispose();

  const { detector, config } = setUp();
  const { backbone, head } = detector;
  expect(head).toBeInstanceOf(FcosHead);
  const tensors = tf.memory().numTensors;
  const plainLosses: number[] = [];
  await plainTrain({
    supernet: backbone as Supernet,
    head: head as FcosHead,
    epochs: 2,
    batches: (epoch) => batches.epoch(epoch),
    batchesPerEpoch: 3,
    rate: config.optimizer.lr,
    ratio: config.budget.ratio,
    onStep: (_, loss) => plainLosses.push(loss),
  });
  expect(tf.memory().numTensors).toBe(tensors);
  const got = await readState(detector);
  detector.dispose();

  expect(plainLosses.length).toBe(6);
  for (const [i, loss] of losses.entries()) expect(Math.abs(plainLosses[i]! / loss - 1)).toBeLessThan(1e-5);
  const largest = (a: ReadonlyMap<string, StoredArray>, b: ReadonlyMap<string, StoredArray>) =>
    Math.max(
      ...[...a].flatMap(([name, { data }]) =>
        [...data].map((v, i) => Math.abs(Number(v) - Number(b.get(name)!.data[i]))),
      ),
    );
  expect(largest(start, wanted)).toBeGreaterThan(1e-2); // it moved
  expect(largest(got, wanted)).toBeLessThan(1e-6);
});
