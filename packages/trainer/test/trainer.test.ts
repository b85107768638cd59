// A tiny real detector, trained on squares: what the loop promises, on every backend present.
import { ConfigError, NonFiniteError, readState } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import {
  createTrainer,
  type StepRecord,
  type TrainBatch,
  type TrainConfig,
  type TrainerOptions,
  type TrainHook,
} from "../src";
import { fakeDetector } from "./fake-parts";
import { squares, squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

const recorder = () => {
  const records: StepRecord[] = [];
  const hook: TrainHook = { name: "recorder", onStep: (record) => void records.push(record) };
  return { records, hook };
};

/** Trains and frees everything, whatever comes of it. */
async function train(options: Omit<TrainerOptions, "detector">, seed = 1) {
  const detector = tinyDetector(options.config, seed);
  const trainer = createTrainer({ ...options, detector });
  const error = await trainer.run().catch((e: unknown) => e);
  const state = await readState(detector);
  const { position } = trainer;
  trainer.dispose();
  detector.dispose();
  return { error, state, position };
}

const withNan = (batch: TrainBatch): TrainBatch => {
  const images = batch.images.slice();
  images[images.length >> 1] = Number.NaN;
  return { ...batch, images };
};

/** A source that spoils one batch of the first epoch. */
const spoiled = (count: number, bad: number) => ({
  batchesPerEpoch: count,
  async *epoch(epoch: number) {
    for (let i = 0; i < count; i++) yield i === bad ? withNan(squaresBatch(epoch, i)) : squaresBatch(epoch, i);
  },
});

describe.each(backends)("Trainer on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("lowers the loss on one batch, and holds no more tensors than at its start", async () => {
    const { records, hook } = recorder();
    const before = tf.memory().numTensors;
    const config = tinyConfig({ schedule: { epochs: 20 } });
    const { error } = await train({ batches: squares(1, () => squaresBatch(0)), config, hooks: [hook] });
    expect(error).toBeUndefined();
    expect(records.map((r) => r.step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    const last = records.slice(-5).reduce((sum, r) => sum + r.loss.total! / 5, 0);
    expect(last).toBeLessThan(0.6 * records[0]!.loss.total!);
    expect(new Set(records.map((r) => r.tensors)).size).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("records each step", async () => {
    const { records, hook } = recorder();
    const config = tinyConfig({ schedule: { epochs: 2, policy: "step", milestones: [1], gamma: 0.1 } });
    await train({ batches: squares(2), config, hooks: [hook] });
    expect(records.map((r) => [r.epoch, r.learningRate])).toEqual([
      [0, 0.005],
      [0, 0.005],
      [1, expect.closeTo(0.0005, 12)],
      [1, expect.closeTo(0.0005, 12)],
    ]);
    for (const r of records) {
      const { total, ...terms } = r.loss;
      expect(Object.values(terms).reduce((a, b) => a + b)).toBeCloseTo(total!, 4);
      // the regularisers come in with the second epoch
      expect(Object.keys(terms)).toEqual(["classification", "box", ...(r.epoch === 0 ? [] : ["global", "local"])]);
      expect(r.gradientNorm).toBeGreaterThan(0);
      expect(r.imagesPerSecond).toBeGreaterThan(0);
      expect(r.dataShare).toBeGreaterThanOrEqual(0);
      expect(r.dataShare).toBeLessThanOrEqual(1);
      expect(r.openPaths).toBeGreaterThan(0);
      expect(r.madds!.min).toBeLessThanOrEqual(r.madds!.max);
      expect(r.madds!.min).toBeGreaterThan(0);
    }
    expect(records[3]!.imageIds).toEqual(squaresBatch(1, 1).imageIds);
  });

  it("gives the same weights for the same seed, and others for another", async () => {
    const config = tinyConfig({ schedule: { maxSteps: 2 } });
    const once = () => train({ batches: squares(2), config });
    const [a, b] = [await once(), await once()];
    expect(a.state).toEqual(b.state);
    expect((await train({ batches: squares(2), config }, 2)).state).not.toEqual(a.state);
  });

  it("stops at an input that is not finite: names step, terms and images, leaves weights and moments alone", async () => {
    const config = tinyConfig();
    const before = tf.memory().numTensors;
    const { records, hook } = recorder();
    const { error, state, position } = await train({ batches: spoiled(3, 1), config, hooks: [hook] });
    expect(error).toBeInstanceOf(NonFiniteError);
    const { message, details } = error as NonFiniteError;
    const { imageIds } = squaresBatch(0, 1);
    expect(message).toMatch(/^Step 2: total is NaN, classification is NaN/);
    expect(message).toContain(`for the images ${imageIds.join(", ")}`);
    expect(details).toMatchObject({ step: 2, imageIds });
    expect(records).toHaveLength(1);
    expect(position).toEqual({ step: 1, epoch: 0, batch: 1 });
    const good = await train({ batches: squares(3), config: tinyConfig({ schedule: { maxSteps: 1 } }) });
    // all but maxSteps is equal; the running moments count as well
    expect(state).toEqual(good.state);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("Trainer", () => {
  beforeAll(() => useBackend("wasm"));

  it("tells its hooks in the order of their list, one after another", async () => {
    const calls: string[] = [];
    const hook = (name: string): TrainHook => ({
      name,
      onStart: () => void calls.push(`${name} start`),
      onGates: (gates, epoch) => void calls.push(`${name} ${gates.length > 0 ? "gates" : "nothing"} of epoch ${epoch}`),
      onStep: async ({ step }) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        calls.push(`${name} step ${step}`);
      },
      onEpoch: (epoch, { position }) => void calls.push(`${name} epoch ${epoch}, next ${position.epoch}`),
      onEnd: () => void calls.push(`${name} end`),
      onError: () => void calls.push(`${name} error`),
    });
    await train({ batches: squares(1), config: tinyConfig(), hooks: [hook("a"), hook("b")] });
    expect(calls).toEqual([
      "a start",
      "b start",
      "a gates of epoch 0",
      "b gates of epoch 0",
      "a step 1",
      "b step 1",
      "a epoch 0, next 1",
      "b epoch 0, next 1",
      "a gates of epoch 1",
      "b gates of epoch 1",
      "a step 2",
      "b step 2",
      "a epoch 1, next 2",
      "b epoch 1, next 2",
      "a end",
      "b end",
    ]);
    calls.length = 0;
    await train({ batches: spoiled(2, 1), config: tinyConfig(), hooks: [hook("a")] });
    expect(calls).toEqual(["a start", "a gates of epoch 0", "a step 1", "a error"]);
  });

  it("passes on what a hook throws, and tells onError", async () => {
    const seen: unknown[] = [];
    const failing: TrainHook = {
      name: "failing",
      onStep: () => {
        throw new Error("disk full");
      },
      onError: (error) => void seen.push(error),
    };
    const { error } = await train({ batches: squares(1), config: tinyConfig(), hooks: [failing] });
    expect(error).toMatchObject({ message: "disk full" });
    expect(seen).toEqual([error]);
  });

  it("stops after the step in which the signal comes, mid-epoch, and lets the batches end", async () => {
    const stop = new AbortController();
    let closed = false;
    const source = squares(4);
    const batches = {
      batchesPerEpoch: 4,
      async *epoch(epoch: number, options?: { readonly startBatch?: number }) {
        try {
          yield* source.epoch(epoch, options);
        } finally {
          closed = true;
        }
      },
    };
    const ends: string[] = [];
    const hook: TrainHook = {
      name: "stop",
      onStep: ({ step }) => {
        if (step === 2) stop.abort();
      },
      onEpoch: () => void ends.push("epoch"),
      onEnd: () => void ends.push("end"),
    };
    const { error, position } = await train({ batches, config: tinyConfig(), hooks: [hook], signal: stop.signal });
    expect(error).toBeUndefined();
    expect(position).toEqual({ step: 2, epoch: 0, batch: 2 });
    expect(ends).toEqual(["end"]);
    expect(closed).toBe(true);
  });

  it("does nothing under a signal that has come already", async () => {
    const { records, hook } = recorder();
    const { position } = await train({
      batches: squares(2),
      config: tinyConfig(),
      hooks: [hook],
      signal: AbortSignal.abort(),
    });
    expect(records).toEqual([]);
    expect(position.step).toBe(0);
  });

  it("ends at maxSteps, whatever the epochs say", async () => {
    const { position } = await train({ batches: squares(2), config: tinyConfig({ schedule: { maxSteps: 3 } }) });
    expect(position).toEqual({ step: 3, epoch: 1, batch: 1 });
  });

  it("refuses a source without batches, and one that ends early", async () => {
    const config = tinyConfig();
    const { error } = await train({ batches: { ...squares(3), epoch: squares(2).epoch }, config });
    expect(error).toMatchObject({ message: "Epoch 0 ended after 2 batches, 3 were announced." });
    const detector = fakeDetector();
    expect(() => createTrainer({ detector, batches: squares(0), config })).toThrow(ConfigError);
    detector.dispose();
  });

  it("names step and images where a loss-aware mapping is the first to see that a loss is not finite", async () => {
    const config = tinyConfig({ budget: { mapping: "loss" }, regularizeFromEpoch: 0 });
    const before = tf.memory().numTensors;
    const { error } = await train({ batches: spoiled(2, 0), config });
    expect(error).toBeInstanceOf(NonFiniteError);
    expect((error as Error).message).toMatch(/^Step 1, images 0, 1000: lossAwareBudget needs a finite/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("trains a static backbone, with no routes to record", async () => {
    const { records, hook } = recorder();
    const detector = fakeDetector();
    const config = tinyConfig({ schedule: { maxSteps: 2 }, regularizeFromEpoch: 0 });
    const trainer = createTrainer({ detector, batches: squares(2), config, hooks: [hook] });
    await trainer.run();
    expect(records).toHaveLength(2);
    expect(Object.keys(records[0]!.loss)).toEqual(["total", "near", "far"]);
    expect(records[0]).not.toHaveProperty("madds");
    expect(records[0]).not.toHaveProperty("openPaths");
    trainer.dispose();
    detector.dispose();
  });

  it.each([
    [{ biasLrFactor: 1 }, ["bias"]],
    [{ biasDecayFactor: 1 }, ["bias"]],
    [{ normDecayFactor: 1 }, ["norm"]],
    [{ weightDecay: 0 }, ["weight"]],
    [{ clipNorm: 1e-3 }, ["bias", "norm", "weight"]],
    [{ clipNorm: null, momentum: 0.5 }, []],
  ] as const)("hands %j to the optimiser: other %j after one step", async (optimizer, kinds) => {
    const parametersAfter = async (changes: Partial<TrainConfig["optimizer"]>) => {
      const config = tinyConfig({ schedule: { maxSteps: 1 }, optimizer: { weightDecay: 0.5, ...changes } });
      const detector = tinyDetector(config, 1);
      // shifts start at 0, where decay does nothing
      for (const { variable } of detector.namedParameters().values()) {
        tf.tidy(() => variable.assign(tf.add(variable, 0.01)));
      }
      const trainer = createTrainer({ detector, batches: squares(1), config });
      await trainer.run();
      const values = [...detector.namedParameters().values()].map(
        (p) => [p.kind, p.variable.dataSync().join()] as const,
      );
      trainer.dispose();
      detector.dispose();
      return values;
    };
    const usual = await parametersAfter({});
    const changed = (await parametersAfter(optimizer)).filter(([, value], i) => value !== usual[i]![1]);
    expect([...new Set(changed.map(([kind]) => kind))].sort()).toEqual(kinds);
  });

  it.each([
    ["none", null, false],
    ["layer", null, true],
    ["layer", 1, true],
  ] as const)(
    "asks the backbone to save memory where memory.checkpoint is %s (micro batches: %s)",
    async (checkpoint, microBatch, want) => {
      const config = tinyConfig({ memory: { checkpoint }, data: { microBatch }, schedule: { maxSteps: 1 } });
      const detector = tinyDetector(config, 1);
      const { backbone } = detector;
      const forward = backbone.forward.bind(backbone);
      const asked: unknown[] = [];
      backbone.forward = (images, options) => {
        asked.push(options.checkpoint);
        return forward(images, options);
      };
      const trainer = createTrainer({ detector, batches: squares(1), config });
      await trainer.run();
      // in parts, those that no gradient is taken of save nothing
      expect(asked).toEqual(microBatch === null ? [want] : [false, false, want, want]);
      trainer.dispose();
      detector.dispose();
    },
  );

  it("records a mapping of one's own as custom, and will not make one up", () => {
    const detector = fakeDetector();
    const mapping = () => [0.5];
    const trainer = createTrainer({ detector, batches: squares(1), config: tinyConfig(), mapping });
    expect(trainer.mapping).toBe(mapping);
    expect(trainer.config.budget.mapping).toBe("custom");
    const { config } = trainer;
    trainer.dispose();
    expect(() => createTrainer({ detector, batches: squares(1), config })).toThrow(ConfigError);
    expect(() => createTrainer({ detector, batches: squares(1), config })).toThrow(/budget\.mapping is "custom": pass/);
    createTrainer({ detector, batches: squares(1), config, mapping }).dispose();
    detector.dispose();
  });

  it.each(["scale", "fixed", "loss"] as const)("makes the %s mapping that the configuration names", (mapping) => {
    const detector = fakeDetector();
    const config = tinyConfig({ budget: { mapping, ratio: 0.2, reduce: "sum" } });
    const trainer = createTrainer({ detector, batches: squares(1), config });
    const truth = squaresBatch(0).truths[0]!;
    const [budget] = Array.from(trainer.mapping([{ scaleEncoding: [1, 1, 0, 0], truth, detectionLoss: 1 }]));
    expect(budget).toBeCloseTo({ scale: 0.4, fixed: 0.2, loss: 0.2 * 2.5 }[mapping], 6);
    expect(trainer.mapping.usesLoss === true).toBe(mapping === "loss");
    trainer.dispose();
    detector.dispose();
  });
});
