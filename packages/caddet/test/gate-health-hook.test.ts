import { type Backbone, createRandom } from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import { createFcosHead } from "@caddet/heads";
import { createPoolRouter, gumbelGate } from "@caddet/router";
import { prepareBackend } from "@caddet/runtime/node";
import { createSupernet, PRESETS, type SupernetOptions } from "@caddet/supernet";
import { type BatchSource, createTrainer, parseTrainConfig, type TrainHook } from "@caddet/trainer";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { gateHealthHook } from "../src/gate-health-hook";
import { call } from "./call";
import { drawSet } from "./drawn-set";

beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});

const shape = [2, 32, 32, 3] as const;
const random = createRandom(1);
const batch = {
  images: Float32Array.from({ length: 2 * 32 * 32 * 3 }, () => random.normal()),
  shape,
  truths: [1, 2].map((i) => ({
    boxes: Float32Array.of(2, 2, 10 * i, 12 * i),
    labels: Int32Array.of(0),
    crowd: new Uint8Array(1),
  })),
  sizes: [1, 2].map(() => ({ height: 32, width: 32 })),
  imageIds: [1, 2],
};
const batches: BatchSource = {
  batchesPerEpoch: 4,
  epoch: async function* () {
    for (let i = 0; i < 4; i++) yield batch;
  },
};

const detectorOf = (router?: SupernetOptions["router"]): Detector => {
  const backbone = createSupernet({ ...PRESETS.tiny, ...(router ? { router } : {}), random: createRandom(0) });
  const { channels: inChannels, strides } = backbone;
  const head = createFcosHead({
    inChannels,
    strides,
    numClasses: 2,
    stackedConvs: 1,
    groups: 4,
    random: createRandom(2),
  });
  return composeDetector({ backbone, head }) as Detector;
};

async function runWith(hook: TrainHook, detector: Detector, epochs: number, more: readonly TrainHook[] = []) {
  const config = parseTrainConfig({
    schedule: { epochs, warmupSteps: 0 },
    optimizer: { lr: 1e-6 },
    regularizeFromEpoch: 1,
  });
  const trainer = createTrainer({ detector, batches, config, hooks: [hook, ...more] });
  try {
    await trainer.run();
  } finally {
    trainer.dispose();
  }
}

describe("gateHealthHook", () => {
  it("says once that all routes are one, after the first regularised epoch, and keeps no tensor", async () => {
    const detector = detectorOf((node) => createPoolRouter({ ...node, bias: 30 }));
    const before = tf.memory().numTensors;
    const said: string[] = [];
    const seen: number[] = [];
    const counter: TrainHook = { name: "counter", onEpoch: () => void seen.push(said.length) };
    await runWith(
      gateHealthHook((text) => said.push(text), { window: 4 }),
      detector,
      3,
      [counter],
    );
    expect(tf.memory().numTensors).toBe(before);
    expect(seen).toEqual([0, 3, 3]);
    const count = detector.backbone.routing!.nodeOfPath.length;
    expect(said).toEqual([
      `${count} of ${count} paths are open for all of the last 4 images: node 0_0 keep, node 0_0 down, node 1_0 keep, node 1_0 down, node 1_1 up, ….`,
      expect.stringContaining("have gates of 0 or 1 for all of the last 4 images and get no gradient: node 0_0 keep"),
      expect.stringContaining(
        "are open for all or for none of the last 4 images, which all take one route: node 0_0 keep",
      ),
    ]);
    detector.dispose();
  });

  it("is silent where gates are drawn, which the supernet asks for in training alone", async () => {
    const noise = createRandom(3);
    const detector = detectorOf((node) =>
      createPoolRouter({ ...node, bias: 0, gate: gumbelGate({ random: noise, straightThrough: true }) }),
    );
    const said: string[] = [];
    await runWith(
      gateHealthHook((text) => said.push(text), { window: 8, binary: true }),
      detector,
      3,
    );
    expect(said).toEqual([]);
    const images = tf.tensor4d(batch.images, [...shape]);
    const gatesOf = async (training: boolean) => {
      const { raw, gates } = detector.forward(images, { training });
      const data = await gates!.values.data();
      detector.head.disposeRaw(raw);
      gates!.values.dispose();
      return data;
    };
    expect(await gatesOf(true)).not.toEqual(await gatesOf(true));
    expect(await gatesOf(false)).toEqual(await gatesOf(false));
    images.dispose();
    detector.dispose();
  });

  it("leaves a static backbone alone", async () => {
    const detector = detectorOf();
    const plain = Object.create(detector.backbone, { routing: { value: undefined } }) as Backbone;
    const trainer = { detector: { backbone: plain } } as Parameters<NonNullable<TrainHook["onStart"]>>[0];
    const said: string[] = [];
    const hook = gateHealthHook((text) => said.push(text));
    await hook.onStart!(trainer);
    await hook.onEnd!(trainer);
    expect(said).toEqual([]);
    detector.dispose();
  });
});

describe("caddet train", () => {
  it("warns of collapse as remarks", async () => {
    const set = await drawSet();
    const { code, err } = await call(
      ...["train", "--data", set.folder, "--out", set.path("run"), "--backend", "wasm", "--config", set.configFile],
      ...["--set", "regularizeFromEpoch=0", "--set", "data.batchSize=4", "--set", "schedule.maxSteps=64"],
      ...["--set", "optimizer.lr=1e-7", "--set", "schedule.epochs=64"],
    );
    expect(code, err).toBe(0);
    expect(err).toMatch(/^warning: \d+ of \d+ paths are open for all of the last 256 images: node 0_0 keep, /m);
    await set.remove();
  });
});
