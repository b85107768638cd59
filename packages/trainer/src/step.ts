// One step: gradients of a batch, clipping, update. Either all of it comes about or nothing: weights, running moments, random numbers and
// the mapping's memory are those of before when a loss or a gradient is not finite.
import { executedCost } from "@caddet/budget";
import { type BudgetMapping, type Collective, NonFiniteError, type Random } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import { type BatchGradients, batchGradients, type GradientBatch } from "./gradients";
import type { StepRecord } from "./hooks";
import type { ObjectiveOptions } from "./objective";
import type { Optimizer } from "./optimizer";
import { gradientsOfAll, imagesOfAll } from "./ranks";
import { spreadOf } from "./spread";

/** What a step works on. */
export interface StepParts {
  readonly detector: Detector;
  readonly optimizer: Optimizer;
  readonly objective: ObjectiveOptions;
  readonly microBatch: number | undefined;
  readonly random: Random | undefined;
  /** The ranks that make the step together. */
  readonly collective: Collective;
}

/** What a step is told. */
export interface StepOptions {
  /** From 1. */
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  readonly regularize: boolean;
  /** When the batch was asked for, and how long it took to come, in milliseconds. */
  readonly asked: number;
  readonly waited: number;
  /** Whether this rank was asked to stop after it. */
  readonly stop: boolean;
}

/** What a step leaves behind. */
export interface StepResult {
  readonly record: StepRecord;
  /** `[B * P]`; absent for a static backbone. */
  readonly gates?: Float32Array;
  /** Whether any rank was asked to stop after it. */
  readonly stop: boolean;
}

// What a step that fails must not have changed; the forward pass moves all of it before anyone can see that the step fails.
function remember({ detector, objective, random }: StepParts): { takeBack(): void; forget(): void } {
  const moments = [...detector.namedBuffers().values()].map((v) => ({ v, before: tf.clone(v) }));
  const { mapping }: { mapping: BudgetMapping } = objective;
  const losses = mapping.state?.();
  const drawn = random?.state();
  return {
    takeBack: () => {
      for (const { v, before } of moments) v.assign(before);
      if (mapping.state) mapping.restore?.(losses);
      if (drawn) random?.restore(drawn);
    },
    forget: () => tf.dispose(moments.map(({ before }) => before)),
  };
}

function checkFinite(step: number, batch: GradientBatch, loss: Record<string, number>, gradientNorm: number): void {
  const bad = Object.entries({ ...loss, gradientNorm }).filter(([, v]) => !Number.isFinite(v));
  if (bad.length === 0) return;
  throw new NonFiniteError(
    `Step ${step}: ${bad.map(([name, v]) => `${name} is ${v}`).join(", ")} for the images ${batch.imageIds.join(", ")}. ` +
      "Lower optimizer.lr, lengthen schedule.warmupSteps, or look at these images.",
    { step, loss, gradientNorm, imageIds: batch.imageIds },
  );
}

function routesOf(
  { backbone }: Detector,
  gates: Float32Array,
  { imageIds: { length: batch }, height, width }: { imageIds: readonly number[]; height: number; width: number },
): Pick<StepRecord, "madds" | "openPaths"> {
  const { nodeOfPath, threshold, cost } = backbone.routing!;
  const open = gates.reduce((n, g) => n + (g >= threshold ? 1 : 0), 0);
  return {
    madds: spreadOf(executedCost(gates, nodeOfPath, cost(height, width), threshold)),
    openPaths: open / (batch * nodeOfPath.length),
  };
}

/**
 * Makes one step.
 *
 * @param parts what is trained, and how
 * @param batch images `[B, H, W, 3]`, truths, sizes, ids
 * @param options number, rate, and what the record is to say
 * @returns the record and the gates
 * @throws NonFiniteError when a loss or a gradient is not finite; whatever it throws, all is as before
 */
export async function makeStep(parts: StepParts, batch: GradientBatch, options: StepOptions): Promise<StepResult> {
  const { detector, optimizer, objective, microBatch, random, collective } = parts;
  const { step, epoch, learningRate, regularize, asked, waited } = options;
  const tensors = tf.memory().numTensors;
  const before = remember(parts);
  let made: BatchGradients | undefined;
  let norm: tf.Scalar | undefined;
  try {
    const make = () => batchGradients(detector, batch, { objective, regularize, microBatch, random });
    const all = await gradientsOfAll(collective, detector, make, options.stop);
    made = all.made;
    norm = optimizer.gradientNorm(made.gradients);
    const [values, [gradientNorm], ownGates] = await Promise.all([
      made.scalars.data(),
      norm.data<"float32">(),
      made.gates?.data<"float32">(),
    ]);
    const terms = made.names.map((name, i) => [name, values[i + 1]!] as const);
    const loss = Object.fromEntries([["total", values[0]!], ...terms]);
    checkFinite(step, batch, loss, gradientNorm!);
    optimizer.step(made.gradients, norm, learningRate);
    const { imageIds, gates } = await imagesOfAll(collective, { imageIds: batch.imageIds, gates: ownGates });
    const [, height, width] = batch.shape;
    const seconds = (performance.now() - asked) / 1000;
    const record = {
      step,
      epoch,
      learningRate,
      loss,
      gradientNorm: gradientNorm!,
      imagesPerSecond: (batch.shape[0] * collective.size) / seconds,
      dataShare: waited / 1000 / seconds,
      ...(gates ? routesOf(detector, gates, { imageIds, height, width }) : {}),
      tensors,
      imageIds,
    };
    return { record, stop: all.stop, ...(gates ? { gates } : {}) };
  } catch (error) {
    before.takeBack();
    if (!(error instanceof NonFiniteError) || "step" in error.details) throw error;
    throw new NonFiniteError(`Step ${step}, images ${batch.imageIds.join(", ")}: ${error.message}`, {
      ...error.details,
      step,
      imageIds: batch.imageIds,
    });
  } finally {
    before.forget();
    tf.dispose([made?.scalars ?? [], made?.gates ?? [], norm ?? [], made?.gradients ?? {}] as tf.TensorContainer);
  }
}
