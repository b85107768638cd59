// Training and judging the classifier: SGD with a step schedule over whole epochs, large batches in pieces, a file an epoch from which
// a stopped run goes on.
import { access, readFile } from "node:fs/promises";
import {
  CheckpointError,
  ConfigError,
  createRandom,
  NonFiniteError,
  parseSafetensors,
  readState,
  type StoredArray,
  serializeSafetensors,
  variableGrads,
} from "@caddet/core";
import { PRESETS, type PresetName } from "@caddet/supernet";
import { createSgd, learningRate, type Optimizer, type ScheduleOptions } from "@caddet/trainer";
import { writeFileAtomic } from "@caddet/trainer/node";
import * as tf from "@tensorflow/tfjs-core";
import type { LabelledFiles } from "./class-folders";
import { Classifier, crossEntropy } from "./classifier";
import { type BatchPlan, type ImageBatch, readAhead } from "./image-batches";

/** How to train. */
export interface PretrainOptions {
  readonly preset: PresetName;
  readonly train: LabelledFiles;
  readonly val: LabelledFiles;
  /** Where the weights go; what is there is gone on with. */
  readonly file: string;
  readonly epochs: number;
  /** Images a step. */
  readonly batch: number;
  /** Of them at once, as memory allows; batch statistics are over these. A divisor of `batch`. */
  readonly piece: number;
  /** Rate at full height. */
  readonly rate: number;
  /** Pixels of the square input. */
  readonly side: number;
  readonly seed: number;
  readonly onEpoch: (record: EpochRecord) => void;
}

/** What an epoch gave. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean training loss. */
  readonly loss: number;
  /** Share of held-out images whose class comes first. */
  readonly top1: number;
  /** … or is among the first five. */
  readonly top5: number;
  readonly seconds: number;
}

const FORMAT = "caddet-classifier/1";
const MOMENTUM = "optimizer/";
// The projections have no normalisation behind them: without a bound, the first steps at full rate run away.
const CLIP = 5;

function tensorOf({ values, labels }: ImageBatch, side: number, from = 0, count = labels.length): tf.Tensor4D {
  const size = side * side * 3;
  return tf.tensor4d(values.subarray(from * size, (from + count) * size), [count, side, side, 3]);
}

// One step: the mean gradient over the pieces of a batch.
async function step(
  net: Classifier,
  optimizer: Optimizer,
  batch: ImageBatch,
  { side, piece }: PretrainOptions,
  rate: number,
): Promise<number> {
  const variables = [...net.namedParameters().values()].map(({ variable }) => variable);
  const pieces = batch.labels.length / piece;
  let sums: tf.NamedTensorMap = {};
  let loss = 0;
  for (let from = 0; from < batch.labels.length; from += piece) {
    const images = tensorOf(batch, side, from, piece);
    const labels = batch.labels.subarray(from, from + piece);
    const { value, grads } = variableGrads(
      () => tf.tidy(() => tf.div<tf.Scalar>(crossEntropy(net.forward(images, { training: true }), labels), pieces)),
      variables,
    );
    const before = sums;
    sums = from === 0 ? grads : tf.tidy(() => addMaps(before, grads));
    if (from > 0) tf.dispose([before, grads]);
    loss += (await value.data())[0]!;
    tf.dispose([images, value]);
  }
  const norm = optimizer.gradientNorm(sums);
  const isUsable = Number.isFinite(loss) && Number.isFinite((await norm.data())[0]);
  if (isUsable) optimizer.step(sums, norm, rate);
  tf.dispose([sums, norm]);
  if (!isUsable)
    throw new NonFiniteError(`The loss is ${loss} or its gradient is not finite; lower the rate.`, { loss });
  return loss;
}

const addMaps = (a: tf.NamedTensorMap, b: tf.NamedTensorMap): tf.NamedTensorMap =>
  Object.fromEntries(Object.keys(a).map((name) => [name, tf.add(a[name]!, b[name]!)]));

/**
 * Judges the classifier on central crops.
 *
 * @param net the classifier
 * @param data images
 * @param side pixels of the square input
 * @param batch images at once
 * @returns shares of images whose class is first, and among the first five
 */
export async function evaluate(net: Classifier, data: LabelledFiles, side: number, batch: number) {
  const plans = chunks([...data.labels.keys()], batch).map((images) => ({ data, images, side }));
  let [top1, top5] = [0, 0];
  for await (const part of readAhead(plans)) {
    const images = tensorOf(part, side);
    const logits = tf.tidy(() => net.forward(images, { training: false }));
    const values = await logits.data();
    const classes = logits.shape[1];
    for (const [n, label] of part.labels.entries()) {
      const own = values.subarray(n * classes, (n + 1) * classes);
      const better = own.filter((v) => v > own[label]!).length;
      if (better === 0) top1++;
      if (better < 5) top5++;
    }
    tf.dispose([images, logits]);
  }
  return { top1: top1 / data.files.length, top5: top5 / data.files.length };
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

// The batches of an epoch; the last images that fill none wait for another epoch.
function epochPlans({ train, batch, side, seed }: PretrainOptions, epoch: number): BatchPlan[] {
  const order = createRandom(seed, epoch).shuffle([...train.labels.keys()]);
  // An image's own, so that the order in which files are ready changes nothing.
  const randomOf = (image: number) => createRandom(seed + image + 1, epoch);
  return chunks(order, batch)
    .filter(({ length }) => length === batch)
    .map((images) => ({ data: train, images, side, randomOf }));
}

async function save(net: Classifier, optimizer: Optimizer, options: PretrainOptions, epoch: number): Promise<void> {
  const momenta = [...(await optimizer.readState())].map(([name, array]) => [MOMENTUM + name, array] as const);
  const arrays = new Map<string, StoredArray>([...(await readState(net)), ...momenta]);
  const { preset, train, file, ...rest } = options;
  const { epochs, batch, piece, rate, side, seed } = rest;
  const bytes = serializeSafetensors(arrays, {
    format: FORMAT,
    preset,
    classes: JSON.stringify(train.classes),
    training: JSON.stringify({ epochs, batch, piece, rate, side, seed }),
    epoch: String(epoch),
  });
  await writeFileAtomic(file, bytes);
}

// The epochs done, or 0 where there is no file yet.
async function resume(net: Classifier, optimizer: Optimizer, { file, train }: PretrainOptions): Promise<number> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (!isThere) return 0;
  const { arrays, metadata } = parseSafetensors(await readFile(file), file);
  if (metadata.format !== FORMAT || metadata.classes !== JSON.stringify(train.classes)) {
    throw new CheckpointError(`${file} is another file, or of other classes. Move it away, or choose another one.`);
  }
  const ofOptimizer = [...arrays].filter(([name]) => name.startsWith(MOMENTUM));
  net.loadStateDict(new Map([...arrays].filter(([name]) => !name.startsWith(MOMENTUM))));
  optimizer.loadState(new Map(ofOptimizer.map(([name, array]) => [name.slice(MOMENTUM.length), array])));
  return Number(metadata.epoch);
}

function check({ train, batch, piece }: PretrainOptions): void {
  if (batch % piece !== 0) throw new ConfigError(`--piece should divide --batch ${batch}, got ${piece}.`);
  if (train.files.length < batch) {
    throw new ConfigError(`A batch of ${batch} needs as many images, got ${train.files.length}. Lower --batch.`);
  }
}

/**
 * Trains, or goes on training. The file that it writes an epoch holds a supernet's weights by a detector's names.
 *
 * @throws CheckpointError when the file is of another training; ConfigError when batch, piece and images do not fit;
 *   NonFiniteError when the loss runs away
 */
export async function pretrain(options: PretrainOptions): Promise<void> {
  check(options);
  const { preset, train, val, epochs, batch, piece, side, seed, rate } = options;
  const random = createRandom(seed);
  const net = new Classifier({ shape: PRESETS[preset], classes: train.classes.length, random });
  const optimizer = createSgd(net.namedParameters(), { clipNorm: CLIP, rateFactors: { bias: 1 } });
  const stepsPerEpoch = Math.floor(train.files.length / batch);
  const schedule: ScheduleOptions = {
    base: rate,
    policy: "cosine",
    milestones: [],
    gamma: 1,
    warmup: "linear",
    warmupRatio: 0.001,
    warmupSteps: Math.min(5, epochs / 10) * stepsPerEpoch,
    stepsPerEpoch,
    totalSteps: epochs * stepsPerEpoch,
  };
  try {
    for (let epoch = await resume(net, optimizer, options); epoch < epochs; epoch++) {
      const started = performance.now();
      let [sum, done] = [0, 0];
      for await (const images of readAhead(epochPlans(options, epoch))) {
        const now = learningRate(epoch * stepsPerEpoch + done, schedule);
        sum += await step(net, optimizer, images, options, now);
        done++;
      }
      const { top1, top5 } = await evaluate(net, val, side, piece);
      await save(net, optimizer, options, epoch + 1);
      const seconds = (performance.now() - started) / 1000;
      options.onEpoch({ epoch: epoch + 1, loss: sum / done, top1, top5, seconds });
    }
  } finally {
    optimizer.dispose();
    net.dispose();
  }
}
