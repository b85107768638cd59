// The objective of a batch and its gradients, in one pass or in parts. In parts, the network sees the batch twice: once without a tape
// for what the losses need of all images, once for the gradients (Gao et al. 2021, Section 3.2). So whatever a loss looks at, pairs of
// images or normalisers of the whole batch, it is that of the whole batch; only batch normalisation goes by the part, and random gates
// draw in another order.
import { ConfigError, type GroundTruth, type ImageSize, type Random, variableGrads } from "@caddet/core";
import type { Detector, DetectorOutput } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import { computeObjective, type Objective, type ObjectiveOptions, objectiveOf } from "./objective";
import { concatRaw, leavesOf, replaceLeaves } from "./raw-maps";

/** What gradients are of. */
export interface GradientBatch {
  /** `[B * H * W * 3]` */
  readonly images: Float32Array;
  /** `[B, H, W, 3]` */
  readonly shape: readonly [number, number, number, number];
  readonly truths: readonly GroundTruth[];
  readonly sizes: readonly ImageSize[];
  readonly imageIds: readonly number[];
}

/** How gradients are made. */
export interface GradientOptions {
  readonly objective: ObjectiveOptions;
  readonly regularize: boolean;
  /** Images that go through the network at once. Default all. */
  readonly microBatch?: number | undefined;
  /** What the detector draws from in training: both passes of a part have to see the same. */
  readonly random?: Random | undefined;
}

/** A batch's objective and gradients; all tensors are the caller's. */
export interface BatchGradients {
  /** Of `scalars`, from the second on; the first is the total. */
  readonly names: readonly string[];
  readonly scalars: tf.Tensor1D;
  /** `[B, P]`; absent for a static backbone. */
  readonly gates?: tf.Tensor2D;
  /** By the variables' names. */
  readonly gradients: tf.NamedTensorMap;
}

interface Kept {
  names: string[];
  scalars?: tf.Tensor1D;
  gates?: tf.Tensor2D;
}

// What must outlive the tape.
function keep(kept: Kept, { total, terms, gates }: Objective): void {
  kept.names = Object.keys(terms);
  kept.scalars = tf.keep(tf.stack([total, ...Object.values(terms)]) as tf.Tensor1D);
  if (gates) kept.gates = tf.keep(tf.clone(gates));
}

const freeKept = ({ scalars, gates }: Kept) => tf.dispose([scalars ?? [], gates ?? []] as tf.TensorContainer);

function finish({ names, scalars, gates }: Kept, gradients: tf.NamedTensorMap): BatchGradients {
  return { names, scalars: scalars!, gradients, ...(gates ? { gates } : {}) };
}

const variablesOf = (detector: Detector) => [...detector.namedParameters().values()].map((p) => p.variable);

function inOnePass(detector: Detector, batch: GradientBatch, options: GradientOptions): BatchGradients {
  const { truths, sizes, imageIds } = batch;
  const kept: Kept = { names: [] };
  const images = tf.tensor4d(batch.images, [...batch.shape]);
  try {
    const { value, grads } = variableGrads(() => {
      const whole = { images, truths, sizes, imageIds };
      const objective = computeObjective(detector, whole, options.objective, options.regularize);
      keep(kept, objective);
      return objective.total;
    }, variablesOf(detector));
    value.dispose();
    return finish(kept, grads);
  } catch (error) {
    freeKept(kept);
    throw error;
  } finally {
    images.dispose();
  }
}

function addInto(sum: tf.NamedTensorMap, grads: tf.NamedTensorMap): void {
  for (const [name, g] of Object.entries(grads)) {
    const before = sum[name];
    sum[name] = before ? tf.add(before, g) : g;
    if (before) tf.dispose([before, g]);
  }
}

/** Runs over the images part by part; each part's tensor is freed behind it. */
function forEachPart(
  { images, shape: [b, h, w, c] }: GradientBatch,
  size: number,
  use: (part: tf.Tensor4D, from: number) => void,
): void {
  const perImage = h * w * c;
  for (let from = 0; from < b; from += size) {
    const to = Math.min(b, from + size);
    const part = tf.tensor4d(images.subarray(from * perImage, to * perImage), [to - from, h, w, c]);
    try {
      use(part, from);
    } finally {
      part.dispose();
    }
  }
}

// The raw maps and gates of the whole batch, without a tape.
function passAll(detector: Detector, batch: GradientBatch, size: number): DetectorOutput<unknown> {
  const outputs: DetectorOutput<unknown>[] = [];
  try {
    forEachPart(batch, size, (part) => outputs.push(detector.forward(part, { training: true })));
    const raw = concatRaw(
      outputs.map((output) => output.raw),
      batch.shape[0],
    );
    const [first] = outputs;
    if (!first?.gates) return { raw };
    const values = tf.concat(
      outputs.map(({ gates }) => gates!.values),
      0,
    );
    return { raw, gates: { ...first.gates, values } };
  } finally {
    for (const { raw, gates } of outputs) tf.dispose([...leavesOf(raw), ...(gates ? [gates.values] : [])]);
  }
}

// Gradients of the objective by each leaf of the network's output; what a loss takes from the weights themselves goes into `sum`.
function outputGradients(
  detector: Detector,
  output: DetectorOutput<unknown>,
  batch: GradientBatch,
  { objective: options, regularize }: GradientOptions,
  kept: Kept,
  sum: tf.NamedTensorMap,
): (tf.Tensor | undefined)[] {
  const { truths, sizes, imageIds, shape } = batch;
  const passed = { truths, sizes, imageIds, inputSize: { height: shape[1], width: shape[2] } };
  const gates = output.gates ? [output.gates.values] : [];
  const leaves = [...leavesOf(output.raw), ...gates].map((leaf) => tf.variable(leaf));
  try {
    const { value, grads } = variableGrads(() => {
      // A variable is cloned, so that the objective may free what it is given.
      const copies = leaves.map((leaf) => tf.clone(leaf));
      const raw = replaceLeaves(output.raw, copies);
      const routed = output.gates && { gates: { ...output.gates, values: copies.at(-1) as tf.Tensor2D } };
      const objective = objectiveOf(detector, { raw, ...routed }, passed, options, regularize);
      keep(kept, objective);
      return objective.total;
    }, [...leaves, ...variablesOf(detector)]);
    value.dispose();
    const found = leaves.map(({ name }) => grads[name]);
    for (const { name } of leaves) delete grads[name];
    addInto(sum, grads);
    return found;
  } finally {
    tf.dispose(leaves);
  }
}

// Sends the gradients of a part's output through the network.
function partGradients(
  detector: Detector,
  part: tf.Tensor4D,
  rows: readonly (tf.Tensor | undefined)[],
  seen: tf.Tensor2D | undefined,
  checkpoint: boolean,
): { grads: tf.NamedTensorMap; drift: tf.Scalar } {
  let drift: tf.Scalar | undefined;
  try {
    const { value, grads } = variableGrads(() => {
      const { raw, gates } = detector.forward(part, { training: true, checkpoint });
      const leaves = [...leavesOf(raw), ...(gates ? [gates.values] : [])];
      drift = tf.keep(
        seen && gates ? (tf.max(tf.abs(tf.sub(gates.values, seen))) as tf.Scalar) : tf.scalar(0),
      ) as tf.Scalar;
      const products = leaves.flatMap((leaf, i) => (rows[i] ? [tf.sum(tf.mul(leaf, rows[i]!))] : []));
      return tf.addN(products) as tf.Scalar; // its gradients are those of the objective
    }, variablesOf(detector));
    value.dispose();
    return { grads, drift: drift! };
  } catch (error) {
    drift?.dispose();
    throw error;
  }
}

// Gates of two passes that differ by more have been drawn twice, not rounded twice.
const MOST_DRIFT = 1e-2;

async function inParts(
  detector: Detector,
  batch: GradientBatch,
  size: number,
  options: GradientOptions,
): Promise<BatchGradients> {
  const { random } = options;
  const drawn = random?.state();
  const moments = [...detector.namedBuffers().values()].map((v) => ({ v, before: tf.clone(v) }));
  const kept: Kept = { names: [] };
  const sum: tf.NamedTensorMap = {};
  const drifts: tf.Scalar[] = [];
  let output: DetectorOutput<unknown> | undefined;
  let wanted: (tf.Tensor | undefined)[] = [];
  try {
    output = passAll(detector, batch, size);
    // The second pass is the one that counts for running moments and random numbers.
    for (const { v, before } of moments) v.assign(before);
    wanted = outputGradients(detector, output, batch, options, kept, sum);
    if (drawn) random?.restore(drawn);
    forEachPart(batch, size, (part, from) => {
      const cut = (t: tf.Tensor) => tf.slice(t, [from], [part.shape[0]]);
      const rows = wanted.map((t) => t && cut(t));
      const seen = kept.gates && (cut(kept.gates) as tf.Tensor2D);
      try {
        const { grads, drift } = partGradients(detector, part, rows, seen, options.objective.checkpoint ?? false);
        drifts.push(drift);
        addInto(sum, grads);
      } finally {
        tf.dispose([rows.filter((t) => t !== undefined), seen ?? []] as tf.TensorContainer);
      }
    });
    const drift = tf.tidy(() => tf.max(tf.stack(drifts)));
    const [most] = await drift.data().finally(() => drift.dispose());
    if (most! > MOST_DRIFT) {
      throw new ConfigError(
        `data.microBatch: the gates of a batch differ by ${most!.toFixed(3)} between its two passes. Pass the generator that the ` +
          "detector was built with to createTrainer as `random`.",
      );
    }
    return finish(kept, sum);
  } catch (error) {
    freeKept(kept);
    tf.dispose(sum);
    throw error;
  } finally {
    tf.dispose(moments.map(({ before }) => before));
    tf.dispose([drifts, wanted.filter((t) => t !== undefined)] as tf.TensorContainer);
    if (output) tf.dispose([...leavesOf(output.raw), ...(output.gates ? [output.gates.values] : [])]);
  }
}

/**
 * The objective of a batch and its gradients by the detector's parameters.
 *
 * @param detector the network
 * @param batch images `[B, H, W, 3]`, truths, sizes, ids
 * @param options the objective, whether its regularisers count, and how many images go through the network at once
 * @returns the terms, the gates and the gradients; with `microBatch` those of the whole batch all the same, by one more forward pass
 * @throws what the parts throw; ConfigError where two passes of a part draw other gates. No tensor is left then
 * @example const { gradients } = await batchGradients(detector, batch, { objective, regularize: true, microBatch: 4 });
 */
export async function batchGradients(
  detector: Detector,
  batch: GradientBatch,
  options: GradientOptions,
): Promise<BatchGradients> {
  const size = options.microBatch ?? batch.shape[0];
  return size >= batch.shape[0] ? inOnePass(detector, batch, options) : inParts(detector, batch, size, options);
}
