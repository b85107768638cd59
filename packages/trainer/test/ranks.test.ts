// Ranks train as one: what they agree on, what they refuse, and that together they are one process with all the images.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, NonFiniteError, singleProcess } from "@caddet/core";
import { readDetectorFile } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTrainer, RankDriftError, type TrainConfigInput } from "../src";
import { gatherRanks } from "../src/ranks";
import type { RunState } from "../src/run-state";
import { runRanks } from "./local-ranks";
import { type RankOrder, type RankResult, runRank } from "./rank-run";
import { squares, tinyConfig, tinyDetector } from "./tiny-run";

let before: number;
beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors, "tensors left behind").toBe(before);
});

const ranksOf = (order: RankOrder, count = 2) => runRanks(count, (collective) => runRank(order, collective));
const alone = (order: RankOrder) => runRank(order, singleProcess());

// The detection loss of this head is a sum over images, the mean over ranks half of it; without decay and clipping, that is half a step.
const config = (lr: number, more: TrainConfigInput = {}): TrainConfigInput => ({
  optimizer: { lr, weightDecay: 0, clipNorm: null },
  schedule: { epochs: 2 },
  regularizeFromEpoch: 100,
  ...more,
});

function largestGap(a: RankResult, b: RankResult): number {
  const gaps = [...a.state].flatMap(([name, values]) =>
    Array.from(values, (v, i) => Math.abs(v - b.state.get(name)![i]!) / Math.max(1, Math.abs(v))),
  );
  return Math.max(...gaps);
}

describe("ranks that train together", () => {
  it("are one process with all images, batch normalisation aside", async () => {
    const frozen: TrainConfigInput = { batchNorm: { mode: "frozen" } };
    const whole = await alone({ config: config(0.004, frozen), batchesPerEpoch: 3, share: 4 });
    const ranks = await ranksOf({ config: config(0.008, frozen), batchesPerEpoch: 3, share: 2 });
    expect(largestGap(ranks[0]!, whole)).toBeLessThan(1e-6);
    for (const { state, records, step } of ranks) {
      expect(state).toEqual(ranks[0]!.state);
      expect(step).toBe(6);
      expect(records).toHaveLength(6);
      for (const [i, record] of records.entries()) {
        const one = whole.records[i]!;
        expect(record.imageIds).toEqual(one.imageIds);
        expect(record.loss.total! * 2).toBeCloseTo(one.loss.total!, 4);
        expect(record.gradientNorm * 2).toBeCloseTo(one.gradientNorm, 3);
        expect(record.openPaths).toBe(one.openPaths);
        expect(record.madds!.mean).toBeCloseTo(one.madds!.mean, 3);
      }
    }
    expect(ranks.map(({ called }) => called)).toEqual([["rank 0's", "everyone's"], ["everyone's"]]);
  });

  it("have the same weights and running moments with norms of their own, and give the same bytes again", async () => {
    const order: RankOrder = { config: { schedule: { epochs: 2 } }, batchesPerEpoch: 2, share: 1 };
    const [first, second] = [await ranksOf(order, 3), await ranksOf(order, 3)];
    for (const { state } of [...first, ...second]) expect(state).toEqual(first[0]!.state);
  });

  it("write checkpoints on rank 0, from which all go on exactly", async () => {
    const run = await mkdtemp(join(tmpdir(), "caddet-ranks-"));
    try {
      const order: RankOrder = { config: { schedule: { epochs: 3 } }, batchesPerEpoch: 2, share: 2 };
      const whole = await ranksOf(order);
      await ranksOf({ ...order, fault: "stop", folder: run });
      expect(await readdir(join(run, "checkpoints"))).toEqual([
        "step-00000002.safetensors",
        "step-00000003.safetensors",
      ]);
      const resumed = await ranksOf({ ...order, resume: true, folder: run });
      for (const { state, records } of resumed) {
        expect(records.map(({ step }) => step)).toEqual([4, 5, 6]);
        expect(state).toEqual(whole[0]!.state);
      }
    } finally {
      await rm(run, { recursive: true, force: true });
    }
  });

  it("go on exactly from it with random gates and a mapping that remembers, which differ from rank to rank", async () => {
    const [whole, parts] = [
      await mkdtemp(join(tmpdir(), "caddet-ranks-")),
      await mkdtemp(join(tmpdir(), "caddet-ranks-")),
    ];
    const last = async (folder: string) => readFile(join(folder, "checkpoints", "step-00000006.safetensors"));
    try {
      const order: RankOrder = {
        config: {
          model: { backbone: { noise: 0.5 } },
          budget: { mapping: "loss" },
          regularizeFromEpoch: 0,
          schedule: { epochs: 3 },
        },
        batchesPerEpoch: 2,
        share: 2,
      };
      await ranksOf({ ...order, folder: whole });
      await ranksOf({ ...order, fault: "stop", folder: parts });
      await ranksOf({ ...order, resume: true, folder: parts });
      const bytes = await last(whole);
      expect((await last(parts)).equals(bytes)).toBe(true);
      const { run, mapping } = readDetectorFile(bytes).metadata;
      const state = JSON.parse(run!) as RunState;
      expect(state.others).toHaveLength(1);
      expect(state.others[0]!.random).not.toEqual(state.random);
      expect(state.others[0]!.mapping).not.toEqual(JSON.parse(mapping!));
      expect(state.others[0]!.mapping).toEqual({ losses: expect.arrayContaining([expect.any(Number)]) });
    } finally {
      for (const folder of [whole, parts]) await rm(folder, { recursive: true, force: true });
    }
  });

  it("leave out a batch together that is not finite on one", async () => {
    const order: RankOrder = {
      config: { schedule: { epochs: 1 }, onNonFinite: "skip", maxNonFinite: 1 },
      batchesPerEpoch: 3,
      share: 2,
      fault: "nan",
    };
    const ranks = await ranksOf(order);
    for (const { state, leftOut, records } of ranks) {
      expect(state).toEqual(ranks[0]!.state);
      expect(leftOut).toBe(1);
      expect(records.map(({ step }) => step)).toEqual([1, 3]);
    }
    const stopping: RankOrder = { ...order, config: { schedule: { epochs: 1 } } };
    const error = await ranksOf(stopping).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error).toMatchObject({ details: { step: 2 } });
  });

  it("stop together at the step in which one was asked", async () => {
    const ranks = await ranksOf({ config: { schedule: { epochs: 5 } }, batchesPerEpoch: 2, share: 2, fault: "stop" });
    expect(ranks.map(({ step }) => step)).toEqual([3, 3]);
    expect(ranks[1]!.state).toEqual(ranks[0]!.state);
  });

  it("end with the error of the one that fails", async () => {
    const order: RankOrder = { config: { schedule: { epochs: 1 } }, batchesPerEpoch: 2, share: 2 };
    await expect(ranksOf({ ...order, fault: "throw" })).rejects.toThrow("the disk of rank 1 is gone");
    const drift = await ranksOf({ ...order, fault: "drift" }).catch((e: unknown) => e);
    expect(drift).toBeInstanceOf(RankDriftError);
    expect((drift as Error).message).toMatch(/^After step 0 of 2, the ranks of this run differ; rank \d/);
    await expect(ranksOf({ ...order, fault: "short" })).rejects.toThrow("rank 0 called mean");
  });

  it("learn what each of them has", async () => {
    const of = (rank: number) => ({ rank, text: "größe".repeat(rank), words: [2 ** 32 - 1 - rank] });
    const wanted = [0, 1, 2].map(of);
    const gathered = await runRanks(3, (collective) => gatherRanks(collective, of(collective.rank)));
    expect(gathered).toEqual([wanted, wanted, wanted]);
    expect(await gatherRanks(singleProcess(), of(0))).toEqual([of(0)]);
  });

  it("cannot restore", () => {
    const restoring = tinyConfig({ onNonFinite: "restore" });
    const detector = tinyDetector(restoring, 1);
    const collective = { ...singleProcess(), size: 2 };
    expect(() => createTrainer({ detector, batches: squares(1), config: restoring, collective })).toThrow(ConfigError);
    detector.dispose();
  });
});
