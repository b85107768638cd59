// Reads the reference cases of test/fixtures and compares numbers with them.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";

/** An array of a reference case, row-major. */
export interface GoldenArray {
  readonly shape: number[];
  readonly data: number[];
}

/** Reads one fixture. */
export function golden<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(new URL(`fixtures/${name}.json.gz`, import.meta.url))).toString()) as T;
}

/** A vector of a reference case. */
export const toVector = ({ data }: GoldenArray): tf.Tensor1D => tf.tensor1d(data, "float32");

/** A map `[B, C, H, W]` of a reference case as `[B, H, W, C]`. */
export const toMap = ({ shape, data }: GoldenArray): tf.Tensor4D =>
  tf.tidy(() => tf.transpose(tf.tensor4d(data, shape as [number, number, number, number]), [0, 2, 3, 1]));

/** `[B, H, W, C]` as the flat `[B, C, H, W]` of a reference case. */
export const fromMap = (map: tf.Tensor): Float32Array =>
  tf.tidy(() => tf.transpose(map, [0, 3, 1, 2]).dataSync<"float32">());

/**
 * Fails unless every number is within 1e-4 of the reference, relative to it plus a hundredth of `scale`: by default the largest
 * number, for gradients in which large terms cancel the size of those.
 */
export function expectClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, scale = largest(wanted)): void {
  expect(actual.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    const bound = 1e-4 * (Math.abs(wanted[i]!) + 1e-2 * scale) + 1e-12;
    if (!(Math.abs(actual[i]! - wanted[i]!) <= bound)) {
      expect.fail(`element ${i} is ${actual[i]}, should be ${wanted[i]} within ${bound}`);
    }
  }
}

/** The largest absolute value. */
export function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
}
