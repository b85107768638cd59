// Reads the reference values, remakes the weights that they were computed with, and compares numbers. fixtures/README.md says where they
// come from; fixtures/make-goldens.py has the same generator.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";

interface GoldenArray {
  readonly shape: number[];
  readonly data: number[];
}

/** One network's reference values. Maps are NCHW. */
export interface GoldenCase {
  /** Every array of the state in PyTorch's order. */
  readonly names: [name: string, shape: number[]][];
  readonly inputs: [number, number, number, number][];
  /** Maps in inference mode. */
  readonly eval: GoldenArray[];
  /** Sum over maps of their mean square, in training mode. */
  readonly trainLoss: number;
  /** Sum of the absolute gradients of that loss, by PyTorch name. */
  readonly gradients: Record<string, number>;
}

export function goldenCase(name: string): GoldenCase {
  return JSON.parse(
    gunzipSync(readFileSync(new URL(`./fixtures/${name}.json.gz`, import.meta.url))).toString(),
  ) as GoldenCase;
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

// Mulberry32 in [0, 1)
function uniform(seed: number, count: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  });
}

function arrayOf(seed: number, name: string, shape: readonly number[]) {
  const bound = Math.sqrt(6 / product(shape.slice(1)));
  const isFactor = /(running_var|weight)$/.test(name);
  const toValue = (u: number) => {
    if (shape.length > 1) return (2 * u - 1) * bound;
    return isFactor ? 0.5 + u : (u - 0.5) * 0.6;
  };
  return { dtype: "F32" as const, shape, data: Float32Array.from(uniform(seed, product(shape)), toValue) };
}

/** The state that the reference was computed with, by PyTorch names and in PyTorch's layout. */
export function goldenState({ names }: GoldenCase): Map<string, StoredArray> {
  return new Map(names.map(([name, shape], i) => [name, arrayOf(i + 1, name, shape)]));
}

/** The inputs as NHWC tensors, the caller's. */
export function goldenInputs({ inputs }: GoldenCase): tf.Tensor4D[] {
  return inputs.map((shape, i) => {
    const { data } = arrayOf(1000 + i, "input", shape);
    return tf.tidy(() => tf.transpose(tf.tensor4d(data, shape), [0, 2, 3, 1]));
  });
}

/** Fails unless maps are the reference's, within `tolerance` of the largest value of each. */
export async function expectMaps(maps: readonly tf.Tensor4D[], wanted: readonly GoldenArray[], tolerance = 1e-4) {
  expect(maps).toHaveLength(wanted.length);
  for (const [level, { shape, data }] of wanted.entries()) {
    const nchw = tf.transpose(maps[level]!, [0, 3, 1, 2]);
    const got = await nchw.data();
    expect(nchw.shape).toEqual(shape);
    nchw.dispose();
    const largest = data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const off = data.reduce((a, b, i) => Math.max(a, Math.abs(b - got[i]!)), 0);
    expect(largest).toBeGreaterThan(0.1);
    expect(off, `level ${level}`).toBeLessThan(tolerance * largest);
  }
}

/** The loss of the reference: the sum over maps of their mean square. */
export function goldenLoss(maps: readonly tf.Tensor4D[]): tf.Scalar {
  return tf.addN(maps.map((map) => tf.mean(tf.square(map)))) as tf.Scalar;
}
