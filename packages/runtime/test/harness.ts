// Runs one kernel on a backend and hands back plain numbers, with a check that it leaves no tensor behind, neither TensorFlow.js' nor,
// on tfjs-node, libtensorflow's.
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { expect, inject } from "vitest";
import { registerWasmKernels } from "../src/kernels";
import { prepareBackend } from "../src/node";
import { findPackage } from "../src/node/packages";

export interface Input {
  values: Float32Array | Int32Array;
  shape: number[];
}

export type Attrs = Record<string, unknown>;

/** A seeded generator of numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** A tensor of values in [-1, 1). */
export function uniform(random: () => number, shape: number[]): Input {
  return { values: Float32Array.from({ length: sizeOf(shape) }, () => random() * 2 - 1), shape };
}

export function integers(values: number[], shape: number[] = [values.length]): Input {
  return { values: Int32Array.from(values), shape };
}

export async function useWasm(): Promise<void> {
  registerWasmKernels();
  await tf.setBackend("wasm");
}

/** A backend that has @caddet's kernels. */
export interface KernelBackend {
  /** As this package calls it. */
  readonly name: "wasm" | "tfjs-node" | "webgpu";
  /** As TensorFlow.js does. */
  readonly tfBackend: string;
  /** Whether it is installed. */
  readonly present: boolean;
}

export const KERNEL_BACKENDS: readonly KernelBackend[] = [
  { name: "wasm", tfBackend: "wasm", present: true },
  { name: "tfjs-node", tfBackend: "tensorflow", present: findPackage("@tensorflow/tfjs-node") !== undefined },
];

/** The same and webgpu, which has the fused operations only; its values are read by {@link kernelOutputs}. */
export const FUSED_BACKENDS: readonly KernelBackend[] = [
  ...KERNEL_BACKENDS,
  { name: "webgpu", tfBackend: "webgpu", present: inject("backends").includes("webgpu") },
];

/** Loads a backend with its kernels. */
export async function useBackend({ name }: KernelBackend): Promise<void> {
  await prepareBackend({ backend: name });
  await useWasm();
}

interface NativeBackend {
  readonly binding?: { getNumOfTensors(): number };
}

const handles = () => (tf.backend() as NativeBackend).binding?.getNumOfTensors();

/** The kernel's outputs on a backend whose values can be read at once. */
export function runKernel(backend: string, kernel: string, inputs: Record<string, Input>, attrs: Attrs = {}): Input[] {
  tf.setBackend(backend);
  // The first call makes the constants that the kernels keep.
  if (handles() !== undefined) tf.dispose(compute(kernel, inputs, attrs));
  const [before, handlesBefore] = [tf.memory().numTensors, handles()];
  const outputs = compute(kernel, inputs, attrs);
  const results = outputs.map((output) => ({ values: output.dataSync() as Input["values"], shape: output.shape }));
  tf.dispose(outputs);
  expect(tf.memory().numTensors, `${kernel} leaks tensors on ${backend}`).toBe(before);
  expect(handles(), `${kernel} leaks handles on ${backend}`).toBe(handlesBefore);
  tf.setBackend("wasm");
  return results;
}

/** The kernel's outputs on any backend. */
export async function kernelOutputs(
  backend: string,
  kernel: string,
  inputs: Record<string, Input>,
  attrs: Attrs = {},
): Promise<Input[]> {
  if (backend !== "webgpu") return runKernel(backend, kernel, inputs, attrs);
  tf.setBackend(backend);
  const { numTensors, numDataBuffers } = tf.memory();
  const outputs = compute(kernel, inputs, attrs);
  const values = await Promise.all(outputs.map((output) => output.data<"float32">()));
  const results = outputs.map(({ shape }, i) => ({ values: values[i]!, shape }));
  tf.dispose(outputs);
  expect(tf.memory(), `${kernel} leaks on ${backend}`).toMatchObject({ numTensors, numDataBuffers });
  tf.setBackend("wasm");
  return results;
}

function compute(kernel: string, inputs: Record<string, Input>, attrs: Attrs): tf.Tensor[] {
  return tf.tidy(() => {
    const tensors: Record<string, tf.Tensor> = {};
    for (const [name, { values, shape }] of Object.entries(inputs)) {
      tensors[name] = tf.tensor(values, shape, values instanceof Int32Array ? "int32" : "float32");
    }
    const outputs = tf.engine().runKernel(kernel, tensors, attrs as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[];
    return Array.isArray(outputs) ? outputs : [outputs];
  });
}

/** The kernel's outputs on the wasm backend. */
export function onWasm(kernel: string, inputs: Record<string, Input>, attrs: Attrs = {}): Input[] {
  return runKernel("wasm", kernel, inputs, attrs);
}

/** The kernel's outputs on the cpu backend. */
export function onCpu(kernel: string, inputs: Record<string, Input>, attrs: Attrs = {}): Input[] {
  return runKernel("cpu", kernel, inputs, attrs);
}

/** Fails unless all values agree to `tolerance`, relative to the largest expected magnitude. */
export function expectClose(
  got: Input,
  expected: { values: ArrayLike<number>; shape: number[] },
  tolerance = 1e-4,
): void {
  expect(got.shape).toEqual(expected.shape);
  let scale = 1e-30;
  let worst = 0;
  for (let i = 0; i < got.values.length; i++) {
    scale = Math.max(scale, Math.abs(expected.values[i]!));
    const difference = Math.abs(got.values[i]! - expected.values[i]!);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  }
  expect(got.values.length).toBe(expected.values.length);
  expect(worst / scale, `largest difference ${worst} at a scale of ${scale}`).toBeLessThan(tolerance);
}
