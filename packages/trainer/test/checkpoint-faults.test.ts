// Checkpoints when things go wrong: a newest one that is cut or changed, a full disk, a read-only one; and which are kept.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError, createRandom, readState } from "@caddet/core";
import { deserializeDetector, readDetectorFile } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createTrainer, evaluationHook, type TrainConfigInput, type TrainHook } from "../src";
import {
  bestCheckpoint,
  checkpointHook,
  latestCheckpoint,
  listCheckpoints,
  type RunFolder,
  RunWriteError,
  resumeNewest,
  runFolder,
} from "../src/node";
import { PARTS } from "./tiny-parts";
import { CLASSES, squares, tinyConfig, tinyDetector } from "./tiny-run";

const refusals = vi.hoisted(() => ({ code: undefined as string | undefined }));
vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof import("node:fs/promises")>();
  return {
    ...fs,
    open: async (...args: Parameters<typeof fs.open>) => {
      if (!refusals.code || !String(args[0]).includes("step-")) return fs.open(...args);
      throw Object.assign(new Error(`${refusals.code}: refused`), { code: refusals.code });
    },
  };
});

let folder: RunFolder;
beforeEach(async () => {
  folder = runFolder(await mkdtemp(join(tmpdir(), "caddet-faults-")));
});
afterEach(async () => {
  refusals.code = undefined;
  await rm(folder.path, { recursive: true });
});
beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});

interface Options {
  readonly overrides?: TrainConfigInput;
  readonly seed?: number;
  readonly resume?: boolean;
  readonly hooks?: readonly TrainHook[];
}

/** Trains, on from the newest whole checkpoint where asked to. */
async function train({ overrides = {}, seed = 1, resume = false, hooks = [] }: Options = {}) {
  const config = tinyConfig(overrides);
  const random = createRandom(seed);
  const detector = tinyDetector(config, random);
  const broken: string[] = [];
  const all = [...hooks, checkpointHook(folder, CLASSES)];
  const trainer = createTrainer({ detector, batches: squares(3), config, random, hooks: all });
  let from: string | undefined;
  try {
    if (resume) from = await resumeNewest(trainer, folder, CLASSES, ({ message }) => broken.push(message));
    await trainer.run();
    return {
      from,
      broken,
      state: await readState(detector),
      deployed: await trainer.withAverage(() => readState(detector)),
    };
  } finally {
    trainer.dispose();
    detector.dispose();
  }
}

const steps = async () => (await listCheckpoints(folder)).map(({ step }) => step);
const EVERY: TrainConfigInput = { checkpoint: { everySteps: 1, keep: 20 } };

describe("resumeNewest", () => {
  it.each([
    ["cut", (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
    ["empty", () => Buffer.alloc(0)],
    ["changed by one bit", (bytes: Buffer) => bytes.fill(bytes.at(-9)! ^ 1, bytes.length - 9, bytes.length - 8)],
  ])("passes over a newest one that is %s, warns, and ends with the same bytes", async (_, spoil) => {
    await train({ overrides: EVERY });
    const newest = await latestCheckpoint(folder);
    const whole = await readFile(newest);
    await writeFile(newest, spoil(Buffer.from(whole)));
    const before = tf.memory().numTensors;
    const { from, broken } = await train({ overrides: EVERY, seed: 9, resume: true });
    expect(tf.memory().numTensors).toBe(before);
    expect(from).toMatch(/step-00000005\.safetensors$/);
    expect(broken).toHaveLength(1);
    expect(broken[0]).toContain("step-00000006.safetensors");
    expect((await readFile(newest)).equals(whole)).toBe(true);
  });

  it("notices any one byte that was changed", async () => {
    await train({ overrides: EVERY });
    const newest = await latestCheckpoint(folder);
    const whole = await readFile(newest);
    const random = createRandom(7);
    for (let i = 0; i < 20; i++) {
      const changed = Buffer.from(whole);
      const at = random.int(changed.length);
      changed[at]! ^= 1 << random.int(8);
      await writeFile(newest, changed);
      const { broken } = await train({ overrides: { ...EVERY, schedule: { maxSteps: 5 } }, seed: 9, resume: true });
      expect(broken, `byte ${at}`).toHaveLength(1);
    }
  });

  it("refuses when none is whole, with the newest one's error, and when there is none", async () => {
    await train();
    for (const { file } of await listCheckpoints(folder)) await writeFile(file, "no");
    await expect(train({ resume: true })).rejects.toThrow(/step-00000006\.safetensors: .* too few/);
    await rm(folder.checkpointFolder, { recursive: true });
    await expect(train({ resume: true })).rejects.toThrow(/has no checkpoint \(looked for .*\)\. Train there first\./);
  });

  it("does not look for an older one when the newest is of another configuration", async () => {
    await train({ overrides: EVERY });
    const other = train({ overrides: { ...EVERY, optimizer: { lr: 0.1 }, ema: { decay: 0.9 } }, resume: true });
    await expect(other).rejects.toThrow(/step-00000006.*these settings differ: optimizer\.lr, ema\.decay\./);
  });
});

describe("a checkpoint that cannot be written", () => {
  it.each([
    ["ENOSPC", "the disk is full. Free some space"],
    ["EDQUOT", "the disk quota is used up. Free some space"],
    ["EROFS", "the file system is read-only. Choose another folder"],
    ["EACCES", "permission is denied. Allow writing there, or choose another folder"],
    ["EIO", "EIO: refused"],
  ])("for %s ends the run with its reason, the last whole one named and intact", async (code, words) => {
    const fail: TrainHook = {
      name: "fail",
      onStep: ({ step }) => {
        if (step === 3) refusals.code = code;
      },
    };
    const error: unknown = await train({ overrides: EVERY, hooks: [fail] }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RunWriteError);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as RunWriteError).details).toMatchObject({ reason: code });
    const { message } = error as Error;
    expect(message).toContain(`step-00000003.safetensors could not be written: ${words}. `);
    expect(message).toMatch(/step-00000002\.safetensors is whole: resume from it$/);
    expect(await readdir(folder.checkpointFolder)).toEqual(["step-00000001.safetensors", "step-00000002.safetensors"]);
    refusals.code = undefined;
    await train({ overrides: EVERY, seed: 9, resume: true });
    expect((await steps())[0]).toBe(6);
  });

  it.skipIf(process.platform !== "linux")("says so for a disk that is full indeed", async () => {
    await mkdir(folder.checkpointFolder, { recursive: true });
    await symlink("/dev/full", join(folder.checkpointFolder, `step-00000001.safetensors.${process.pid}.tmp`));
    const error: unknown = await train({ overrides: EVERY }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RunWriteError);
    expect((error as RunWriteError).details).toMatchObject({ reason: "ENOSPC" });
    expect(await readdir(folder.checkpointFolder)).toEqual([]);
  });
});

describe("checkpointHook", () => {
  it("writes every so many steps, at epochs and at the end", async () => {
    await train({ overrides: { checkpoint: { everySteps: 2, keep: 20 }, schedule: { epochs: 3, maxSteps: 7 } } });
    expect(await steps()).toEqual([7, 6, 4, 3, 2]);
  });

  it("removes what killed processes left half written, and nothing else", async () => {
    await mkdir(folder.checkpointFolder, { recursive: true });
    const dead = "step-00000001.safetensors.4194999.tmp"; // above Linux' largest process number
    const alive = `step-00000001.safetensors.${process.ppid}.tmp`;
    for (const name of [dead, alive, "notes.tmp"]) await writeFile(join(folder.checkpointFolder, name), "half");
    await train({ overrides: { checkpoint: { keep: 1 } } });
    expect((await readdir(folder.checkpointFolder)).sort()).toEqual(
      ["notes.tmp", "step-00000006.safetensors", alive].sort(),
    );
  });

  // The metric of each epoch.
  const scores = (values: readonly number[]): TrainHook =>
    evaluationHook({ evaluate: async (_, epoch) => ({ AP: values[epoch]!, other: 1 }) });

  it.each([
    ["highest", [0.1, 0.5, 0.3, 0.4, 0.2], 6, 0.5],
    ["lowest", [0.4, 0.5, 0.1, 0.3, 0.2], 9, 0.1],
    ["highest", [0.3, Number.NaN, 0.3, 0.2, 0.1], 3, 0.3],
  ] as const)("keeps the one with the %s of %j besides the newest", async (bestIs, values, step, value) => {
    const overrides: TrainConfigInput = { checkpoint: { keep: 1, best: "AP", bestIs }, schedule: { epochs: 5 } };
    await train({ overrides, hooks: [scores(values)] });
    expect(await steps()).toEqual([15, step]);
    const best = await bestCheckpoint(folder);
    expect(best).toEqual({ step, value, file: (await listCheckpoints(folder))[1]!.file });
  });

  it("writes the best one at an epoch that is not due, and knows it after a resume", async () => {
    const overrides = (maxSteps: number): TrainConfigInput => ({
      checkpoint: { keep: 1, best: "AP", everyEpochs: 4 },
      schedule: { epochs: 5, maxSteps },
    });
    const hooks = [scores([0.1, 0.9, 0.3, 0.4, 0.2])];
    await train({ overrides: overrides(8), hooks });
    expect(await steps()).toEqual([8, 6]);
    await train({ overrides: overrides(15), hooks, seed: 9, resume: true });
    expect(await steps()).toEqual([15, 6]);
    expect(await bestCheckpoint(folder)).toMatchObject({ step: 6, value: 0.9 });
  });

  it("names the metrics there are when the one asked for is not among them", async () => {
    const promise = train({ overrides: { checkpoint: { best: "AP75" } }, hooks: [scores([1, 1])] });
    await expect(promise).rejects.toThrow('checkpoint.best: the evaluation has no "AP75". It has AP, other.');
    expect(await bestCheckpoint(folder).catch((e: Error) => e.message)).toMatch(/has no checkpoint/);
  });
});

describe("a checkpoint of a run with an average", () => {
  it("holds the averaged detector, and the weights beside it", async () => {
    const { state, deployed } = await train({ overrides: { ema: { decay: 0.9 } } });
    const bytes = await readFile(await latestCheckpoint(folder));
    const { detector } = deserializeDetector(bytes, { parts: PARTS });
    expect(await readState(detector)).toEqual(deployed);
    expect(deployed).not.toEqual(state);
    detector.dispose();
    const { extra } = readDetectorFile(bytes);
    for (const [name, array] of state) expect(extra.get(`weights/${name}`)?.data).toEqual(array.data);
  });

  it("is what an evaluation sees", async () => {
    const seen: unknown[] = [];
    const look = evaluationHook({ evaluate: async (detector) => ({ n: seen.push(await readState(detector)) }) });
    const { deployed } = await train({ overrides: { ema: { decay: 0.9 } }, hooks: [look] });
    expect(seen).toHaveLength(2);
    expect(seen[1]).toEqual(deployed);
  });
});

describe("random gates", () => {
  const NOISY: TrainConfigInput = { model: { backbone: { noise: 1 } }, regularizeFromEpoch: 0 };

  it.each([false, true])("go on where they were, with parts of a batch (%s)", async (inParts) => {
    const overrides = (maxSteps: number): TrainConfigInput => ({
      ...NOISY,
      schedule: { maxSteps, epochs: 3 },
      data: { microBatch: inParts ? 1 : null },
    });
    const whole = await train({ overrides: overrides(8) });
    await rm(folder.checkpointFolder, { recursive: true });
    await train({ overrides: overrides(4) });
    // another generator at the start, so that its state must come from the file
    const resumed = await train({ overrides: overrides(8), seed: 9, resume: true });
    expect(resumed.state).toEqual(whole.state);
  });
});
