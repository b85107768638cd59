// Reads the reference cases of test/fixtures and compares numbers with them.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Detections, GroundTruth } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { valuesOf } from "#test/backends";

/** An array of a reference case, row-major. */
export interface GoldenArray {
  readonly shape: number[];
  readonly data: number[];
}

/** Reads one fixture. */
export function golden<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(new URL(`fixtures/${name}.json.gz`, import.meta.url))).toString()) as T;
}

/** A map `[B, C, H, W]` of a reference case as `[B, H, W, C]`. */
export function toMap({ shape, data }: GoldenArray): tf.Tensor4D {
  return tf.tidy(() => tf.transpose(tf.tensor4d(data, shape as [number, number, number, number]), [0, 2, 3, 1]));
}

/** Reads a tensor that holds one number. */
export async function numberOf(x: tf.Tensor): Promise<number> {
  return (await x.data())[0]!;
}

/** `[B, H, W, C]` as the flat `[B, C, H, W]` of a reference case. */
export async function fromMap(map: tf.Tensor): Promise<Float32Array> {
  return (await valuesOf(() => [tf.transpose(map, [0, 3, 1, 2])]))[0]!;
}

/** Reads the terms of a loss and adds them up. */
export async function sumOf(terms: Readonly<Record<string, tf.Scalar>>): Promise<number> {
  const values = await Promise.all(Object.values(terms).map(numberOf));
  return values.reduce((a, b) => a + b);
}

/** Boxes and labels of a reference case. */
export function toTruth(boxes: readonly number[][], labels: readonly number[]): GroundTruth {
  return {
    boxes: Float32Array.from(boxes.flat()),
    labels: Int32Array.from(labels),
    crowd: new Uint8Array(labels.length),
  };
}

/** Fails unless every number is within `tolerance` of the reference, relative to it plus a hundredth of the largest. */
export function expectClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 1e-4): void {
  expect(actual.length).toBe(wanted.length);
  let largest = 0;
  for (let i = 0; i < wanted.length; i++) largest = Math.max(largest, Math.abs(wanted[i]!));
  for (let i = 0; i < wanted.length; i++) {
    const bound = tolerance * (Math.abs(wanted[i]!) + 1e-2 * largest) + 1e-12;
    if (!(Math.abs(actual[i]! - wanted[i]!) <= bound)) {
      expect.fail(`element ${i} is ${actual[i]}, should be ${wanted[i]} within ${bound}`);
    }
  }
}

/** Runs `f` and fails when it leaves more tensors behind than `allowed`. */
export async function expectNoLeak(f: () => unknown, allowed = 0): Promise<void> {
  const before = tf.memory().numTensors;
  await f();
  expect(tf.memory().numTensors - before).toBe(allowed);
}

/** The detections of one image: rows `x1, y1, x2, y2, score`, best first. */
export interface GoldenDetections {
  readonly bboxes: number[][];
  readonly labels: number[];
}

/** Fails unless detections are the reference's in number, order and label, and within a thousandth of a pixel. */
export function expectDetections(actual: readonly Detections[], wanted: readonly GoldenDetections[]): void {
  expect(actual.length).toBe(wanted.length);
  actual.forEach(({ boxes, scores, labels }, image) => {
    const { bboxes, labels: classes } = wanted[image]!;
    expect([...labels]).toEqual(classes);
    bboxes.forEach((row, i) => {
      for (let k = 0; k < 4; k++) expect(Math.abs(boxes[4 * i + k]! - row[k]!)).toBeLessThan(1e-3);
      expect(Math.abs(scores[i]! - row[4]!)).toBeLessThan(1e-5);
    });
  });
}
