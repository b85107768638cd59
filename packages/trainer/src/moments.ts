// The running moments of batch normalisation: held still while a run trains (frozen), or computed afresh at its end over some batches
// with the final weights ("precise", Wu and Johnson 2021, Section 3), which a running average that lags behind is not.
import { BatchNorm, type Module } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import type { TrainBatch } from "./batches";

/** The batch normalisations of a module. */
export function normsOf(module: Module): BatchNorm[] {
  return [...module.modules()].filter((part) => part instanceof BatchNorm);
}

/**
 * Holds the running moments of all batch normalisations still, or lets them go; scales and shifts are trained either way.
 *
 * @param module a detector, or any part of one
 * @param frozen true to normalise by the running moments in training, too
 */
export function freezeMoments(module: Module, frozen: boolean): void {
  for (const norm of normsOf(module)) norm.frozen = frozen;
}

// Mean and mean square of one normalisation over what it has seen.
interface Sums {
  readonly mean: Float64Array;
  readonly square: Float64Array;
}

async function addMoments({ runningMean, runningVariance }: BatchNorm, { mean, square }: Sums): Promise<void> {
  const [means, variances] = await Promise.all([runningMean.data<"float32">(), runningVariance.data<"float32">()]);
  for (let c = 0; c < mean.length; c++) {
    mean[c]! += means[c]!;
    square[c]! += variances[c]! + means[c]! ** 2;
  }
}

function forwardAlone(detector: Detector, images: Float32Array, shape: [number, number, number, number]): void {
  tf.tidy(() => {
    detector.forward(tf.tensor4d(images, shape), { training: true });
  });
}

/** Options of {@link recomputeMoments}. */
export interface RecomputeOptions {
  /** How many batches to look at, from 1. */
  readonly count: number;
  /** Images that go through the network at once. Default all of a batch. */
  readonly microBatch?: number | undefined;
}

/**
 * Computes the running moments of all batch normalisations afresh, as those of all that passes in a number of batches together.
 *
 * @param detector its weights stay as they are
 * @param batches where images come from
 * @param options how many batches, and how many images at once
 * @returns how many batches there were
 * @example await recomputeMoments(detector, loader.epoch(0), { count: 200 });
 */
export async function recomputeMoments(
  detector: Detector,
  batches: AsyncIterable<TrainBatch>,
  { count, microBatch }: RecomputeOptions,
): Promise<number> {
  const norms = normsOf(detector);
  const before = norms.map((norm) => ({
    norm,
    momentum: norm.momentum,
    frozen: norm.frozen,
    moments: [norm.runningMean, norm.runningVariance].map((v) => ({ v, value: tf.clone(v) })),
  }));
  const sums = norms.map(({ runningMean: { size } }): Sums => {
    return { mean: new Float64Array(size), square: new Float64Array(size) };
  });
  let [seen, parts] = [0, 0];
  try {
    // With a momentum of 1 the running moments are those of the last batch.
    for (const norm of norms) Object.assign(norm, { momentum: 1, frozen: false });
    for await (const { images, shape } of batches) {
      const [b, h, w, c] = shape;
      const size = microBatch ?? b;
      for (let from = 0; from < b; from += size) {
        const to = Math.min(b, from + size);
        forwardAlone(detector, images.subarray(from * h * w * c, to * h * w * c), [to - from, h, w, c]);
        for (const [i, norm] of norms.entries()) await addMoments(norm, sums[i]!);
        parts++;
      }
      if (++seen === count) break;
    }
    if (parts > 0) {
      for (const [i, { runningMean, runningVariance }] of norms.entries()) {
        const mean = sums[i]!.mean.map((m) => m / parts);
        const variance = sums[i]!.square.map((s, c) => Math.max(0, s / parts - mean[c]! ** 2));
        tf.tidy(() => {
          runningMean.assign(tf.tensor1d(Float32Array.from(mean)));
          runningVariance.assign(tf.tensor1d(Float32Array.from(variance)));
        });
      }
    }
    return seen;
  } catch (error) {
    for (const { moments } of before) for (const { v, value } of moments) v.assign(value);
    throw error;
  } finally {
    for (const { norm, momentum, frozen, moments } of before) {
      Object.assign(norm, { momentum, frozen });
      tf.dispose(moments.map(({ value }) => value));
    }
  }
}
