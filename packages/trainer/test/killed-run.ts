// A training run in a process of its own that kills itself at a point of its life; called again, it goes on. Arguments: the run's folder,
// where to die, as JSON, and how many ranks train, all of them in this process. Bundled and started by resume-after-kill.test.ts.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { type Collective, createRandom } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import { createTrainer, type TrainHook } from "../src";
import { checkpointHook, listCheckpoints, lockHook, metricsHook, resumeNewest, runFolder } from "../src/node";
import { runRanks } from "./local-ranks";
import { CLASSES, squares, tinyConfig, tinyDetector } from "./tiny-run";

/** Where a run dies: in a step's hooks, while a batch is made, in the middle of a checkpoint, before it gets its name, after that. */
export interface Death {
  readonly at: "step" | "batch" | "write" | "rename" | "prune";
  /** The first step at which it may be. */
  readonly step: number;
}

const [path, where, ranks] = process.argv.slice(2) as [string, string, string];
const death = JSON.parse(where) as Death | null;
let step = 0;

function dieAt(at: Death["at"]): void {
  if (death?.at === at && step >= death.step) process.kill(process.pid, "SIGKILL");
}

const { open, rename, rm } = fs.promises;
const isCheckpoint = (file: unknown) => /step-\d+\.safetensors/.test(String(file));
fs.promises.open = async (...args) => {
  const handle = await open(...args);
  if (!isCheckpoint(args[0])) return handle;
  const writeFile = handle.writeFile.bind(handle);
  handle.writeFile = async (data) => {
    const bytes = data as Uint8Array;
    await writeFile(bytes.subarray(0, bytes.length / 2));
    dieAt("write");
    await writeFile(bytes.subarray(bytes.length / 2));
  };
  return handle;
};
fs.promises.rename = async (from, to) => {
  if (isCheckpoint(to)) dieAt("rename");
  await rename(from, to);
};
fs.promises.rm = async (file, options) => {
  if (isCheckpoint(file)) dieAt("prune");
  await rm(file, options);
};
syncBuiltinESMExports();

await prepareBackend({ backend: "wasm" });
const config = tinyConfig({
  seed: 5,
  model: { backbone: { noise: 0.5 } },
  budget: { mapping: "loss" },
  regularizeFromEpoch: 1,
  ema: { decay: 0.99 },
  schedule: { epochs: 4, policy: "cosine", warmupSteps: 4 },
  data: { microBatch: 1 },
  checkpoint: { everySteps: 3, keep: 2 },
  // The sentinel counts all ranks' tensors.
  ...(ranks === "1" ? {} : { leakSteps: 0 }),
});
const folder = runFolder(path);

async function live(collective: Collective): Promise<void> {
  const { rank, size } = collective;
  const random = createRandom(config.seed);
  const detector = tinyDetector(config, random);
  const watch: TrainHook = {
    name: "watch",
    onStep: (record) => {
      step = record.step;
      dieAt("step");
    },
  };
  const source = squares(5 * size);
  const batches = {
    batchesPerEpoch: 5,
    async *epoch(epoch: number, { startBatch = 0 }: { readonly startBatch?: number } = {}) {
      let place = size * startBatch;
      for await (const batch of source.epoch(epoch, { startBatch: place })) {
        if (place++ % size !== rank) continue;
        dieAt("batch");
        yield batch;
      }
    },
  };
  const hooks = [lockHook(folder), watch, metricsHook(folder), checkpointHook(folder, CLASSES)];
  const trainer = createTrainer({ detector, batches, config, random, hooks, collective });
  if ((await listCheckpoints(folder)).length > 0) await resumeNewest(trainer, folder, CLASSES);
  await trainer.run();
}

await runRanks(Number(ranks), live);
