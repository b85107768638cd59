// An engine of the training benchmark: forward, backward and SGD of the supernet on one backend, with PyTorch's weights. Run by
// bench/train.ts: train-engine.ts BACKEND FOLDER PRESET BATCH HEIGHT WIDTH; peers/train_torch.py speaks the same lines.
import { createInterface } from "node:readline";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import type { PresetName } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import { peakRssMib } from "./peak-rss";
import { countLaunches, withoutFusion } from "./train-launches";
import { trainingStep } from "./train-step";

/** A question to an engine. */
export interface TrainAsk {
  readonly steps: number;
  /** Count kernel launches instead: of one step as it is, and of one out of plain TensorFlow.js operations. */
  readonly launches?: boolean;
}

/** Its answer. */
export interface TrainAnswer {
  /** One time a step. */
  readonly ms: readonly number[];
  /** The loss before each step; tells whether all compute the same. */
  readonly losses: readonly number[];
  readonly peak_rss_mib: number;
  readonly launches?: number;
  readonly plain_launches?: number;
}

async function main(): Promise<void> {
  const [backend, folder, preset, ...numbers] = process.argv.slice(2) as [BackendName, string, PresetName];
  const [batch, height, width] = (numbers as string[]).map(Number) as [number, number, number];
  const { device } = await prepareBackend({ backend });
  const setting = { folder, preset, batch, height, width };
  const step = trainingStep(setting);
  const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  say({ version: tf.version_core, device });
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line) as TrainAsk;
    const [ms, losses]: [number[], number[]] = [[], []];
    for (let n = 0; n < ask.steps; n++) {
      const start = performance.now();
      losses.push(await step());
      ms.push(performance.now() - start);
    }
    const answer: TrainAnswer = { ms, losses, peak_rss_mib: peakRssMib() };
    if (!ask.launches) say(answer);
    else {
      const launches = await countLaunches(step);
      say({
        ...answer,
        launches,
        plain_launches: await withoutFusion(() => countLaunches(trainingStep({ ...setting, graphs: false }))),
      } satisfies TrainAnswer);
    }
  }
}

await main();
