// Stopping and going on: a resumed run is the uninterrupted one, byte for byte, and nothing of another run gets in.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError, parseSafetensors, readState, serializeSafetensors } from "@caddet/core";
import { serializeDetector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createTrainer, type TrainConfig, type TrainConfigInput, type TrainHook } from "../src";
import {
  checkpointHook,
  latestCheckpoint,
  listCheckpoints,
  type RunFolder,
  resumeFrom,
  runFolder,
  saveCheckpoint,
} from "../src/node";
import { CLASSES, squares, tinyConfig, tinyDetector } from "./tiny-run";

const BATCHES = 3;

let folder: RunFolder;
beforeEach(async () => {
  folder = runFolder(await mkdtemp(join(tmpdir(), "caddet-run-")));
});
afterEach(async () => {
  await rm(folder.path, { recursive: true });
});

interface Part {
  readonly config: TrainConfig;
  readonly seed?: number;
  /** Checkpoint to go on from. */
  readonly from?: string;
  /** Step after which to stop. */
  readonly until?: number;
}

/** Runs a part of a run with checkpoints in the folder. */
async function runPart({ config, seed = 1, from, until }: Part): Promise<void> {
  const stop = new AbortController();
  const stopper: TrainHook = {
    name: "stopper",
    onStep: ({ step }) => {
      if (step === until) stop.abort();
    },
  };
  const detector = tinyDetector(config, seed);
  const hooks = [checkpointHook(folder, CLASSES), stopper];
  const trainer = createTrainer({ detector, batches: squares(BATCHES), config, hooks, signal: stop.signal });
  try {
    if (from) await resumeFrom(trainer, from, CLASSES);
    await trainer.run();
  } finally {
    trainer.dispose();
    detector.dispose();
  }
}

const stepsOf = async () => (await listCheckpoints(folder)).map(({ step }) => step);

/** A trainer that has done nothing yet; `use` gets it, and then everything is freed. */
async function withTrainer<T>(
  config: TrainConfig,
  use: (trainer: ReturnType<typeof createTrainer>) => Promise<T>,
): Promise<T> {
  const detector = tinyDetector(config, 5);
  const trainer = createTrainer({ detector, batches: squares(BATCHES), config });
  try {
    return await use(trainer);
  } finally {
    trainer.dispose();
    detector.dispose();
  }
}

describe.each(backends)("a resumed run on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it.each([
    { stop: 2, where: "mid-epoch", mapping: "scale" },
    { stop: 3, where: "at the end of an epoch", mapping: "scale" },
    { stop: 4, where: "mid-epoch", mapping: "loss" },
  ] as const)(
    "stopped $where, with the mapping $mapping, ends with the bytes of the uninterrupted one",
    async ({ stop, mapping }) => {
      const before = tf.memory().numTensors;
      const config = tinyConfig({ budget: { mapping }, regularizeFromEpoch: 0 });
      await runPart({ config });
      const last = await latestCheckpoint(folder);
      const whole = await readFile(last);
      await rm(folder.checkpointFolder, { recursive: true });

      await runPart({ config, until: stop });
      expect((await stepsOf())[0]).toBe(stop);
      // other weights at the start, so that all must come from the file
      await runPart({ config, seed: 99, from: await latestCheckpoint(folder) });
      expect(await latestCheckpoint(folder)).toBe(last);
      expect((await readFile(last)).equals(whole)).toBe(true);
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});

describe("checkpoints", () => {
  beforeAll(() => useBackend("wasm"));

  it("come every so many epochs and at the end, and the newest are kept", async () => {
    const run = async (checkpoint: TrainConfigInput["checkpoint"], maxSteps: number) => {
      await runPart({ config: tinyConfig({ checkpoint, schedule: { epochs: 9, maxSteps } }) });
      const steps = await stepsOf();
      await rm(folder.checkpointFolder, { recursive: true });
      return steps;
    };
    expect(await run({ everyEpochs: 1, keep: 9 }, 7)).toEqual([7, 6, 3]);
    expect(await run({ everyEpochs: 2, keep: 9 }, 9)).toEqual([9, 6]);
    expect(await run({ everyEpochs: 1, keep: 2 }, 9)).toEqual([9, 6]);
    expect(await run({ everyEpochs: 1, keep: 1 }, 4)).toEqual([4]);
  });

  it("never remove the one that was just written, though older runs left later steps", async () => {
    const config = tinyConfig({ checkpoint: { keep: 1 } });
    await withTrainer(config, async (trainer) => {
      trainer.resumeAt({ step: 50, epoch: 16, batch: 2 });
      await saveCheckpoint(trainer, folder, CLASSES);
      trainer.resumeAt({ step: 5, epoch: 1, batch: 2 });
      await saveCheckpoint(trainer, folder, CLASSES);
    });
    expect(await stepsOf()).toEqual([5]);
  });

  it("are extended by settings that may change, and by no others", async () => {
    await runPart({ config: tinyConfig({ schedule: { maxSteps: 1 } }) });
    const file = await latestCheckpoint(folder);
    const longer = tinyConfig({ schedule: { epochs: 5 }, checkpoint: { keep: 7 }, data: { prefetch: 5 } });
    expect(await withTrainer(longer, (t) => resumeFrom(t, file, CLASSES).then(() => t.position))).toEqual({
      step: 1,
      epoch: 0,
      batch: 1,
    });
    const other = tinyConfig({ optimizer: { lr: 0.5 }, budget: { ratio: 0.1 } });
    await expect(withTrainer(other, (t) => resumeFrom(t, file, CLASSES))).rejects.toThrow(
      /belongs to another configuration; these settings differ: optimizer\.lr, budget\.ratio\./,
    );
    const wider = tinyConfig({ model: { backbone: { width: 7 }, head: { classWeight: 2 } } });
    await expect(withTrainer(wider, (t) => resumeFrom(t, file, CLASSES))).rejects.toThrow(
      /these settings differ: model\.backbone\.width, model\.head\.classWeight\./,
    );
  });

  it("of other classes, of no run, cut or absent are refused, and the run stays as it was", async () => {
    const config = tinyConfig({ schedule: { maxSteps: 1 } });
    await runPart({ config });
    const file = await latestCheckpoint(folder);
    const bytes = await readFile(file);
    const write = async (name: string, data: Uint8Array) => {
      const path = join(folder.path, name);
      await writeFile(path, data);
      return path;
    };
    await withTrainer(config, async (trainer) => {
      const state = await readState(trainer.detector);
      const tensors = tf.memory().numTensors;
      const refusal = async (path: string, classes = CLASSES) => {
        const error: unknown = await resumeFrom(trainer, path, classes).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(CheckpointError);
        expect(trainer.position.step).toBe(0);
        expect(await readState(trainer.detector)).toEqual(state);
        expect(tf.memory().numTensors).toBe(tensors);
        return (error as Error).message;
      };
      const renamed = CLASSES.map((c) => ({ ...c, name: `${c.name}s` }));
      expect(await refusal(file, renamed)).toMatch(/was trained on other classes/);
      expect(await refusal(join(folder.path, "none"))).toMatch(/none could not be read: ENOENT/);
      expect(await refusal(await write("cut", bytes.subarray(0, bytes.length - 1)))).toMatch(/cut: .*get it again/);
      const bundle = { detector: trainer.detector, config: config.model, classes: CLASSES };
      const plain = await serializeDetector({ ...bundle, metadata: {} });
      expect(await refusal(await write("plain", plain))).toMatch(/holds a detector, but no training run to resume/);
      for (const position of ["", "{}", '{"step":-1,"epoch":0,"batch":0}']) {
        const metadata = { training: JSON.stringify(config), position };
        const odd = await serializeDetector({ ...bundle, metadata });
        expect(await refusal(await write("odd", odd))).toMatch(/the state of its training run cannot be read/);
      }
      const metadata = { training: JSON.stringify(config), position: '{"step":1,"epoch":0,"batch":1}' };
      const weightsOnly = await serializeDetector({ ...bundle, metadata });
      expect(await refusal(await write("weights", weightsOnly))).toMatch(/optimiser's state of .* got nothing/);
    });
  });

  it("change nothing when one of weights, optimiser and mapping does not fit", async () => {
    const config = tinyConfig({ budget: { mapping: "loss" }, regularizeFromEpoch: 0, schedule: { maxSteps: 1 } });
    await runPart({ config });
    const { arrays, metadata: all } = parseSafetensors(await readFile(await latestCheckpoint(folder)));
    const { sha256: _, ...rest } = all;
    const metadata = { ...rest, format: "caddet-detector/1" }; // which has no hash, so that the parts are looked at
    const file = join(folder.path, "odd.safetensors");
    const weight = "head.boxes.weight";
    const longer = { dtype: "F32", shape: [7], data: new Float32Array(7) } as const;
    const cases = [
      [new Map([...arrays].filter(([name]) => name !== weight)), metadata, /1 names are missing \(head\.boxes\.weight/],
      [new Map([...arrays, [weight, longer]]), metadata, /"head\.boxes\.weight" has shape \[7\]/],
      [new Map([...arrays, [`optimizer/${weight}`, longer]]), metadata, /optimiser's state of "head\.boxes\.weight"/],
      [arrays, { ...metadata, mapping: '{"losses":["high"]}' }, /the saved state is another/],
    ] as const;
    await withTrainer(config, async (trainer) => {
      const parts = async () => [
        await readState(trainer.detector),
        await trainer.optimizer.readState(),
        trainer.mapping.state?.(),
        trainer.position,
      ];
      const before = await parts();
      const tensors = tf.memory().numTensors;
      for (const [stored, about, message] of cases) {
        await writeFile(file, serializeSafetensors(stored, about));
        await expect(resumeFrom(trainer, file, CLASSES)).rejects.toThrow(message);
        expect(await parts()).toEqual(before);
        expect(tf.memory().numTensors).toBe(tensors);
      }
      await writeFile(file, serializeSafetensors(arrays, metadata));
      await resumeFrom(trainer, file, CLASSES);
      for (const [i, part] of (await parts()).entries()) expect(part).not.toEqual(before[i]);
    });
  });

  it("that cannot be written leave the older ones intact", async () => {
    const config = tinyConfig();
    await withTrainer(config, async (trainer) => {
      trainer.resumeAt({ step: 1, epoch: 0, batch: 1 });
      const older = await saveCheckpoint(trainer, folder, CLASSES);
      const bytes = await readFile(older);
      const file = { ...folder, checkpointFolder: older }; // a file where the folder should be
      await expect(saveCheckpoint(trainer, file, CLASSES)).rejects.toThrow(/could not be written/);
      expect((await readFile(older)).equals(bytes)).toBe(true);
      await resumeFrom(trainer, older, CLASSES);
    });
  });
});
