// What a run does about losses that are not finite: it stops, leaves the batch out, or goes back to its last checkpoint.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, NonFiniteError, readState } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type BatchSource, createTrainer, type NonFiniteEvent, type TrainConfigInput, type TrainHook } from "../src";
import {
  checkpointHook,
  metricsHook,
  type RunFolder,
  readEvents,
  readMetrics,
  resumeNewest,
  runFolder,
} from "../src/node";
import { CLASSES, squares, squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

let folder: RunFolder;
beforeEach(async () => {
  folder = runFolder(await mkdtemp(join(tmpdir(), "caddet-nan-")));
});
afterEach(async () => {
  await rm(folder.path, { recursive: true });
});
beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});

/** Five batches an epoch; those named `epoch/batch` are not finite. */
function spoiled(...bad: string[]): BatchSource {
  return {
    batchesPerEpoch: 5,
    async *epoch(epoch, { startBatch = 0 } = {}) {
      for (let i = startBatch; i < 5; i++) {
        const batch = squaresBatch(epoch, i);
        if (bad.includes(`${epoch}/${i}`)) batch.images[7] = Number.NaN;
        yield batch;
      }
    },
  };
}

const SETTINGS: TrainConfigInput = {
  model: { backbone: { noise: 0.3 } },
  budget: { mapping: "loss" },
  regularizeFromEpoch: 0,
  ema: { decay: 0.9 },
};

/** Trains for two epochs, with files where `files` says so. */
async function train(
  batches: BatchSource,
  overrides: TrainConfigInput,
  { files = true, resume = false, hooks = [] as TrainHook[] } = {},
) {
  const before = tf.memory().numTensors;
  const config = tinyConfig({ ...SETTINGS, ...overrides });
  const random = createRandom(3);
  const detector = tinyDetector(config, random);
  const events: NonFiniteEvent[] = [];
  const log: TrainHook = { name: "log", onNonFinite: (event) => void events.push(event) };
  const writers = files ? [metricsHook(folder), checkpointHook(folder, CLASSES)] : [];
  const trainer = createTrainer({ detector, batches, config, random, hooks: [log, ...writers, ...hooks] });
  if (resume) await resumeNewest(trainer, folder, CLASSES);
  const error = await trainer.run().catch((e: unknown) => e);
  const out = { error, events, state: await readState(detector), position: trainer.position, run: trainer.state };
  trainer.dispose();
  detector.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return out;
}

describe("onNonFinite", () => {
  it("stop: ends the run as it was before the step", async () => {
    const { error, events, position } = await train(spoiled("0/2"), { onNonFinite: "stop" });
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(events).toEqual([]);
    expect(position).toEqual({ step: 2, epoch: 0, batch: 2 });
  });

  it("skip: goes on as if the batch had had no effect, counts it and writes it down", async () => {
    const { error, events, state, position, run } = await train(spoiled("0/2", "1/4"), { onNonFinite: "skip" });
    expect(error).toBeUndefined();
    expect(position).toEqual({ step: 10, epoch: 2, batch: 0 });
    expect(events).toMatchObject([
      { step: 3, epoch: 0, imageIds: squaresBatch(0, 2).imageIds, action: "skip", count: 1 },
      { step: 10, epoch: 1, imageIds: squaresBatch(1, 4).imageIds, action: "skip", count: 2 },
    ]);
    expect(events[0]!.message).toMatch(/^Step 3, images 20, 1020: .*finite/);
    expect(run.nonFinite).toEqual({ count: 2, avoided: [] });
    expect((await readMetrics(folder)).map(({ step }) => step)).toEqual([1, 2, 4, 5, 6, 7, 8, 9]);
    expect(await readEvents(folder)).toEqual(events.map((event) => ({ event: "non-finite", ...event })));
    for (const { data } of state.values()) expect(Array.from(data as Float32Array).every(Number.isFinite)).toBe(true);
    // neither weights nor random numbers nor the buffer of losses know of it
    const other = await train(spoiled("0/2", "1/4"), { onNonFinite: "skip" }, { files: false });
    expect(other.state).toEqual(state);
  });

  it("restore: goes back to the last checkpoint and around the batch", async () => {
    const overrides: TrainConfigInput = { onNonFinite: "restore", checkpoint: { everySteps: 2, keep: 9 } };
    const clean = await train(spoiled("0/3"), { ...overrides, onNonFinite: "skip" }, { files: false });
    const { error, events, state, position, run } = await train(spoiled("0/3"), overrides);
    expect(error).toBeUndefined();
    expect(events).toMatchObject([{ step: 4, action: "restore", count: 1 }]);
    expect(position).toEqual({ step: 10, epoch: 2, batch: 0 });
    expect(run.nonFinite).toEqual({ count: 1, avoided: [[0, 3]] });
    // the weights were finite, so that going back and around is the same as leaving the batch out
    expect(state).toEqual(clean.state);
    expect((await readMetrics(folder)).map(({ step }) => step)).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10]);
    expect((await readEvents(folder)).map(({ event, step }) => [event, step])).toEqual([["non-finite", 4]]);
  });

  it("restore: has a checkpoint from the very start", async () => {
    const { error, events, position } = await train(spoiled("0/0"), { onNonFinite: "restore" });
    expect(error).toBeUndefined();
    expect(events).toMatchObject([{ step: 1, count: 1 }]);
    expect(position.step).toBe(10);
  });

  it("restore: brings weights back that had gone wrong themselves", async () => {
    const spoil: TrainHook = {
      name: "spoil",
      onStep: ({ step }, { detector, state }) => {
        if (step !== 3 || state.nonFinite.count > 0) return;
        const [p] = detector.namedParameters().values();
        tf.tidy(() => p!.variable.assign(tf.mul(p!.variable, Number.NaN)));
      },
    };
    const overrides: TrainConfigInput = { onNonFinite: "restore", checkpoint: { everySteps: 2 } };
    const { error, events, state } = await train(squares(5), overrides, { hooks: [spoil] });
    expect(error).toBeUndefined();
    expect(events).toHaveLength(1);
    for (const { data } of state.values()) expect(Array.from(data as Float32Array).every(Number.isFinite)).toBe(true);
  });

  it("restore: needs someone who has a checkpoint", async () => {
    const { error } = await train(spoiled("0/1"), { onNonFinite: "restore" }, { files: false });
    expect(error).toBeInstanceOf(NonFiniteError);
    expect((error as Error).message).toMatch(
      /no hook has a checkpoint to go back to: add checkpointHook, or choose "skip"/,
    );
  });

  it("ends the run when there are too many", async () => {
    const { error, events, run } = await train(spoiled("0/0", "0/2", "0/4", "1/1"), {
      onNonFinite: "skip",
      maxNonFinite: 2,
    });
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(events).toHaveLength(2);
    expect(run.nonFinite.count).toBe(2);
  });

  it("may be changed when a run that stopped is resumed, and counts go on", async () => {
    const source = spoiled("0/2", "1/0");
    const checkpoint = { everySteps: 1 };
    expect((await train(source, { checkpoint })).error).toBeInstanceOf(NonFiniteError);
    const first = await train(source, { checkpoint, onNonFinite: "skip", maxNonFinite: 1 }, { resume: true });
    expect(first.error).toBeInstanceOf(NonFiniteError);
    expect(first.run.nonFinite.count).toBe(1);
    const { error, events } = await train(source, { checkpoint, onNonFinite: "skip" }, { resume: true });
    expect(error).toBeUndefined();
    expect(events).toMatchObject([{ step: 6, count: 2 }]);
  });
});
