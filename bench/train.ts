// Training steps beside PyTorch: forward, backward and SGD of backbone and pyramid, the same weights and images for all, float32.
// Every engine is a process that stays; they take turns, round by round, so that a slow minute of the machine hits all. A turn is one
// step to warm up and some that count; medians. Needs Python 3 with venv and network for PyTorch (3 GB), or CADDET_BENCH_PYTHON, a
// Python that has torch and numpy. tfjs-node is measured where it is installed.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BackendName, inspectBackends } from "@caddet/runtime/node";
import { type LineProcess, startLineProcess } from "./peers/line-process";
import { createVenv } from "./peers/python-venv";
import type { TrainAnswer, TrainAsk } from "./peers/train-engine";

/** One engine on one preset. */
export interface TrainRow {
  engine: string;
  preset: string;
  /** Batch × height × width; the batch of all replicas, the peer's is one replica's. */
  input: string;
  threads: number;
  images_per_s: number;
  median_ms: number;
  peer: string;
  peer_images_per_s: number;
  /** images_per_s / peer_images_per_s */
  ratio: number;
  /** The quickest step of each. Far below the medians, they tell of a busy machine, on which the ratio means little. */
  best_ms: number;
  peer_best_ms: number;
  peak_rss_mib: number;
  /** peak_rss_mib / the peer's */
  rss_ratio: number;
  /** Kernels that one step launches; null where an engine does not count them. */
  launches: number | null;
  /** The same with @caddet's operations composed out of TensorFlow.js' own. */
  plain_launches: number | null;
}

/** How an engine is run: `start` gets the job and gives a process that speaks the lines of peers/train-engine.ts. */
export interface TrainEngine {
  readonly name: string;
  readonly threads: number;
  /** Replicas that each take a whole batch in a step. Default 1. */
  readonly replicas?: number;
  start(job: TrainJob): Promise<LineProcess>;
}

/** What is trained. */
export interface TrainJob {
  readonly preset: "paper" | "small";
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** Holds weights.safetensors. */
  readonly folder: string;
}

const JOBS: readonly Omit<TrainJob, "folder">[] = [
  { preset: "small", batch: 2, height: 256, width: 256 },
  { preset: "paper", batch: 1, height: 512, width: 640 },
];
const THREADS = 2;
const ROUNDS = 7;
// Of a turn, after one to warm up.
const STEPS = 2;
const TOLERANCE = 1e-3;

const PEER = fileURLToPath(new URL("peers/train_torch.py", import.meta.url));
const ENGINE = fileURLToPath(new URL("peers/train-engine.ts", import.meta.url));
const REPLICAS = fileURLToPath(new URL("peers/train-replicas.ts", import.meta.url));

const argumentsOf = ({ folder, preset, batch, height, width }: TrainJob) =>
  [folder, preset, batch, height, width].map(String);

const onBackend = (backend: BackendName, name: string, threads: number): TrainEngine => ({
  name,
  threads,
  start: (job) =>
    startLineProcess([
      process.execPath,
      "--conditions=@caddet/source",
      "--import",
      "tsx",
      ENGINE,
      backend,
      ...argumentsOf(job),
    ]),
});

const inReplicas = (replicas: number): TrainEngine => ({
  name: `tfjs-wasm, ${replicas} replicas`,
  threads: replicas,
  replicas,
  start: (job) =>
    startLineProcess([
      process.execPath,
      "--conditions=@caddet/source",
      "--import",
      "tsx",
      REPLICAS,
      String(replicas),
      ...argumentsOf(job),
    ]),
});

/** The engines that are here. */
async function engines(): Promise<TrainEngine[]> {
  const { backends } = await inspectBackends();
  const native = backends.find(({ name, trainable }) => name === "tfjs-node" && trainable);
  const own = [onBackend("wasm", "tfjs-wasm", 1), inReplicas(THREADS)];
  if (native) own.push(onBackend("tfjs-node", "tfjs-node", THREADS));
  else process.stderr.write("tfjs-node is not installed: no row of it\n");
  return own;
}

async function pythonWithTorch(): Promise<{ python: string; remove(): Promise<void> }> {
  // biome-ignore lint/suspicious/noUndeclaredEnvVars: benchmarks are no task of turbo's
  const own = process.env.CADDET_BENCH_PYTHON;
  if (own) return { python: own, remove: async () => {} };
  const { python, missing, remove } = await createVenv(["torch", "numpy"]);
  const [failed] = Object.entries(missing);
  if (!failed) return { python, remove };
  await remove();
  throw new Error(
    `${failed[0]} could not be installed: ${failed[1]}. Set CADDET_BENCH_PYTHON to a Python that has it.`,
  );
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number) => Number(value.toPrecision(3));

interface Contestant {
  readonly name: string;
  readonly threads: number;
  readonly replicas: number;
  readonly process: LineProcess;
  readonly ms: number[];
  losses: readonly number[];
  peak: number;
  counts: Pick<TrainAnswer, "launches" | "plain_launches">;
}

const contestant = (name: string, threads: number, process: LineProcess, replicas = 1): Contestant => ({
  name,
  threads,
  replicas,
  process,
  ms: [],
  losses: [],
  peak: 0,
  counts: {},
});

async function turn(one: Contestant): Promise<void> {
  const ask: TrainAsk = { steps: STEPS + 1 };
  const { ms, losses, peak_rss_mib } = (await one.process.ask(ask)) as TrainAnswer;
  one.ms.push(...ms.slice(1));
  if (one.losses.length === 0) one.losses = losses;
  one.peak = peak_rss_mib;
}

function checkLosses(peer: Contestant, { name, losses }: Contestant, preset: string): void {
  // Later ones drift apart: the step is long, and rounding grows with each.
  const [wanted, got] = [peer.losses[0]!, losses[0]!];
  if (Math.abs(got - wanted) <= TOLERANCE * Math.abs(wanted)) return;
  throw new Error(`${name}, ${preset}: the first loss is ${got}, PyTorch's is ${wanted}.`);
}

async function contest(job: TrainJob, python: string, among: readonly TrainEngine[]): Promise<TrainRow[]> {
  const running: LineProcess[] = [];
  const started = async (starting: Promise<LineProcess>) => {
    const one = await starting;
    running.push(one);
    return one;
  };
  try {
    const torch = await started(startLineProcess([python, PEER, ...argumentsOf(job), String(THREADS)]));
    const { version } = torch.greeting as { version: string };
    const peer = contestant(`PyTorch ${version} eager`, THREADS, torch);
    const own: Contestant[] = [];
    for (const { name, threads, start, replicas } of among) {
      own.push(contestant(name, threads, await started(start(job)), replicas));
    }
    for (let round = 0; round < ROUNDS; round++) {
      process.stderr.write(`${job.preset}: round ${round + 1} of ${ROUNDS}\n`);
      for (const one of [peer, ...own]) await turn(one);
    }
    for (const one of own) {
      checkLosses(peer, one, job.preset);
      one.counts = (await one.process.ask({ steps: 0, launches: true } satisfies TrainAsk)) as TrainAnswer;
    }
    return own.map((one) => rowOf(job, peer, one));
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}

function rowOf({ preset, batch, height, width }: TrainJob, peer: Contestant, one: Contestant): TrainRow {
  // A replica's batch is as large as the peer's: what counts is images a second.
  const [own, theirs] = [median(one.ms), median(peer.ms) * one.replicas];
  return {
    engine: one.name,
    preset,
    input: `${batch * one.replicas}x${height}x${width}`,
    threads: one.threads,
    images_per_s: rounded((1000 * batch * one.replicas) / own),
    median_ms: rounded(own),
    peer: peer.name,
    peer_images_per_s: rounded((1000 * batch * one.replicas) / theirs),
    ratio: rounded(theirs / own),
    best_ms: rounded(Math.min(...one.ms)),
    peer_best_ms: rounded(Math.min(...peer.ms)),
    peak_rss_mib: Math.round(one.peak),
    rss_ratio: rounded(one.peak / peer.peak),
    launches: one.counts.launches ?? null,
    plain_launches: one.counts.plain_launches ?? null,
  };
}

/** Draws weights, runs all engines in turn. Takes some minutes and 4 GB of memory. */
export async function run(): Promise<TrainRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "caddet-bench-train-"));
  const { python, remove } = await pythonWithTorch();
  try {
    const among = await engines();
    const rows: TrainRow[] = [];
    // One after the other: the processes of both would not fit into little memory.
    for (const job of JOBS) rows.push(...(await contest({ ...job, folder }, python, among)));
    return rows;
  } finally {
    await remove();
    await rm(folder, { recursive: true, force: true });
  }
}
