// Small detectors whose every part matters: weights, norms and routers are moved from their start, so that paths close, differently
// for each image; and onnxruntime to run what is exported.
import "@tensorflow/tfjs-backend-cpu";
import { createRandom, type Random, readState } from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import { createFcosHead, createRetinaHead, type FcosHeadOptions, type RetinaHeadOptions } from "@caddet/heads";
import {
  createSupernet,
  PRESETS,
  type PresetName,
  type Supernet,
  type SupernetConfig,
  type SupernetOptions,
  supernetFactory,
} from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-node";
import { expect } from "vitest";

/** How one array of a detector is moved; undefined leaves it. */
function moved(name: string, random: Random): ((value: number) => number) | undefined {
  if (name.endsWith("runningVariance")) return () => 0.5 + random.next();
  if (name.endsWith("runningMean")) return () => 0.1 * random.normal();
  if (name.endsWith("router.gate.weight")) return () => 1.5 * random.normal();
  if (name.endsWith("router.gate.bias")) return () => 0.2 + random.normal();
  if (name.startsWith("backbone.") && name.endsWith("bias")) return (v) => v + 0.1 * random.normal();
  if (name.endsWith("norm.weight")) return () => 0.5 + random.next();
  if (name === "head.classes.bias") return () => -2.5;
  if (name === "head.distances.bias") return () => 2.5;
  if (name.startsWith("head.scales")) return () => 0.5 + random.next();
  if (name.startsWith("head.") && name.endsWith("weight")) return (v) => 5 * v;
  return undefined;
}

/** The standard deviation of the class logits on some image. */
async function spreadOf(detector: Detector): Promise<number> {
  const spread = tf.tidy(() => {
    const { raw } = detector.forward(randomImages(1, 64, 64), { training: false });
    const logits = (raw as { readonly classes: tf.Tensor4D[] }).classes.map((map) => tf.reshape(map, [-1]));
    return tf.sqrt(tf.moments(tf.concat(logits)).variance);
  });
  const [value] = await spread.data();
  spread.dispose();
  return value!;
}

/** Moves all weights of a detector, so that some classes are likely and none is certain: `spread` is the deviation of the logits. */
async function shake(detector: Detector, seed: number, spread: number): Promise<void> {
  const random = createRandom(seed);
  const state = await readState(detector);
  for (const [name, { data }] of state) {
    const move = moved(name, random);
    if (move) for (let i = 0; i < data.length; i++) data[i] = move(Number(data[i]));
  }
  detector.loadStateDict(state);
  const { data } = state.get("head.classes.weight")!;
  const factor = spread / (await spreadOf(detector));
  for (let i = 0; i < data.length; i++) data[i] = Number(data[i]) * factor;
  detector.loadStateDict(state);
}

/** Options of {@link fcosDetector} and {@link retinaDetector}. */
export interface TestDetectorOptions<Head> {
  readonly preset?: PresetName;
  readonly backbone?: Partial<SupernetOptions>;
  /** Gates of the routers; they come from a configuration, and leave `backbone` aside. */
  readonly gate?: SupernetConfig["gate"];
  readonly head?: Partial<Head>;
  readonly seed?: number;
}

const head = { numClasses: 3, channels: 16, groups: 4, stackedConvs: 1 };

function backbone({ preset = "tiny", gate, backbone: own }: TestDetectorOptions<unknown>): Supernet {
  const random = createRandom(1);
  if (gate) return supernetFactory.build(supernetFactory.parse({ preset, gate }), { random });
  return createSupernet({ ...PRESETS[preset], random, ...own });
}

/** A detector with an FCOS head, moved from its start. */
export async function fcosDetector(options: TestDetectorOptions<FcosHeadOptions> = {}): Promise<Detector> {
  const net = backbone(options);
  const own = createFcosHead({ ...head, inChannels: net.channels, random: createRandom(2), ...options.head });
  const detector = composeDetector({ backbone: net, head: own });
  await shake(detector, options.seed ?? 3, 1.5);
  return detector;
}

/** A detector with a RetinaNet head, moved from its start. */
export async function retinaDetector(options: TestDetectorOptions<RetinaHeadOptions> = {}): Promise<Detector> {
  const net = backbone(options);
  const own = createRetinaHead({ ...head, inChannels: net.channels, random: createRandom(2), ...options.head });
  const detector = composeDetector({ backbone: net, head: own });
  await shake(detector, options.seed ?? 3, 0.6);
  return detector;
}

/** The supernet of a detector made here. */
export const netOf = (detector: Detector) => detector.backbone as Supernet;

/** `[B, H, W, 3]`, noise on a colour of each image, so that routes differ. */
export function randomImages(batch: number, height: number, width: number, seed = 9): tf.Tensor4D {
  const random = createRandom(seed);
  const size = height * width * 3;
  const colours = Float32Array.from({ length: batch * 3 }, () => 4 * random.normal());
  const values = Float32Array.from({ length: batch * size }, (_, i) => {
    return colours[3 * Math.floor(i / size) + (i % 3)]! + random.normal();
  });
  return tf.tensor4d(values, [batch, height, width, 3]);
}

/** An array of a model that has been run. */
export type Numbers = Float32Array | Float64Array | Int32Array;

/** Runs a model in onnxruntime on one thread. */
export async function runModel(
  bytes: Uint8Array,
  images: tf.Tensor4D,
  sizes?: readonly (readonly number[])[],
  options: ort.InferenceSession.SessionOptions = {},
): Promise<{ get(name: string): Numbers; shape(name: string): readonly number[]; names: readonly string[] }> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3, ...options });
  const feeds: Record<string, ort.Tensor> = {
    images: new ort.Tensor("float32", await images.data<"float32">(), images.shape),
  };
  if (sizes) feeds.sizes = new ort.Tensor("float32", Float32Array.from(sizes.flat()), [sizes.length, 4]);
  const results = await session.run(feeds);
  if (options.enableProfiling) session.endProfiling();
  await session.release();
  const found = (name: string) => results[name] ?? expect.fail(`the model has no output ${name}`);
  return {
    get: (name) => found(name).data as Numbers,
    shape: (name) => found(name).dims,
    names: session.outputNames,
  };
}

/** Fails unless two arrays agree to `limit` times the largest number of the wanted one. */
export function expectClose(got: ArrayLike<number>, wanted: ArrayLike<number>, limit: number, what: string): void {
  expect(got.length, what).toBe(wanted.length);
  let [largest, worst] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    largest = Math.max(largest, Math.abs(wanted[i]!));
    const difference = Math.abs(wanted[i]! - got[i]!);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  }
  expect(worst, what).toBeLessThanOrEqual(limit * Math.max(largest, 1e-6));
}
