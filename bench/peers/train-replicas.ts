// The training benchmark's wasm engine on several cores: replicas in threads, each with a whole batch of its own, that average their gradients.
// Run by bench/train.ts: train-replicas.ts REPLICAS FOLDER PRESET BATCH HEIGHT WIDTH; it speaks the lines of train-engine.ts. Its threads
// start with train-replica.mjs and come here, too.
import { createInterface } from "node:readline";
import { BroadcastChannel, isMainThread } from "node:worker_threads";
import { replica, runReplicas } from "@caddet/distributed/node";
import { prepareBackend } from "@caddet/runtime/node";
import type { PresetName } from "@caddet/supernet";
import { peakRssMib } from "./peak-rss";
import type { TrainAnswer, TrainAsk } from "./train-engine";
import { type StepSetting, trainingStep } from "./train-step";

/** What the threads are told: so many steps; 0 ends them. Rank 0 answers with times and losses, first of all with none. */
interface Done {
  readonly ms: readonly number[];
  readonly losses: readonly number[];
}

const [ORDERS, ANSWERS] = ["caddet-train-orders", "caddet-train-answers"];
const channel = (name: string) => new BroadcastChannel(name);

async function replicaMain(): Promise<void> {
  await replica<StepSetting, null>(async ({ rank, collective, data }) => {
    await prepareBackend({ backend: "wasm" });
    const step = trainingStep(data, collective);
    const [orders, answers] = [channel(ORDERS!), channel(ANSWERS!)];
    const say = (done: Done) => rank === 0 && answers.postMessage(done);
    await new Promise<void>((resolve, reject) => {
      const obey = async (steps: number) => {
        if (steps === 0) return resolve();
        const [ms, losses]: [number[], number[]] = [[], []];
        for (let n = 0; n < steps; n++) {
          const start = performance.now();
          losses.push(await step());
          ms.push(performance.now() - start);
        }
        say({ ms, losses });
      };
      orders.onmessage = (event) => void obey((event as { readonly data: number }).data).catch(reject);
      void collective.barrier().then(() => say({ ms: [], losses: [] }), reject);
    });
    orders.close();
    answers.close();
    return null;
  });
}

async function main(): Promise<void> {
  const [replicas, folder, preset, ...numbers] = process.argv.slice(2) as [string, string, PresetName];
  const [batch, height, width] = (numbers as string[]).map(Number) as [number, number, number];
  const data: StepSetting = { folder, preset, batch, height, width };
  const [orders, answers] = [channel(ORDERS!), channel(ANSWERS!)];
  const next = () =>
    new Promise<Done>((resolve) => {
      answers.onmessage = (event) => resolve((event as { readonly data: Done }).data);
    });
  const ready = next();
  const ended = runReplicas({
    replicas: Number(replicas),
    worker: new URL("train-replica.mjs", import.meta.url),
    data,
  });
  // Without this, a replica that fails would be waited for in vain.
  ended.catch((error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  });
  await ready;
  const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  say({ replicas: Number(replicas) });
  for await (const line of createInterface({ input: process.stdin })) {
    const { steps } = JSON.parse(line) as TrainAsk;
    let done: Done = { ms: [], losses: [] };
    if (steps > 0) {
      const answered = next();
      orders.postMessage(steps);
      done = await answered;
    }
    say({ ...done, peak_rss_mib: peakRssMib() } satisfies TrainAnswer);
  }
  orders.postMessage(0);
  await ended;
  orders.close();
  answers.close();
}

await (isMainThread ? main() : replicaMain());
