// Checks of operations on small inputs: gradients against finite differences or another composition, and tensor counts.
// Results are weighted by fixed numbers of mixed sign before they are summed, so that no two of them are alike.
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { valuesOf } from "#test/backends";

export type Operation = (...inputs: tf.Tensor[]) => tf.Tensor;

/** A tensor of mixed, repeatable numbers, mostly in [-1, 1]. */
export function mixed(shape: number[], phase = 0): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + phase) + 0.1 * Math.cos(5 * i)),
    shape,
  );
}

const weigh = (y: tf.Tensor) => tf.sum(tf.mul(y, tf.add(mixed(y.shape, 2), 0.3)));

const gradientsOf = (operation: Operation, inputs: readonly tf.Tensor[]) =>
  valuesOf(() => tf.grads((...xs) => weigh(operation(...xs)))([...inputs]));

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    expect(Math.abs(got[i]! - want[i]!), `${what}[${i}] is ${got[i]}, not ${want[i]}`).toBeLessThan(tolerance);
  }
}

/** Compares the gradient in every input with central differences. A step of 1/2 is exact for maps linear in each input. */
export async function expectNumericGradients(
  operation: Operation,
  inputs: readonly tf.Tensor[],
  { step = 0.5, tolerance = 1e-3 }: { step?: number; tolerance?: number } = {},
): Promise<void> {
  const gradients = await gradientsOf(operation, inputs);
  // Where the GPU is software, a launch takes milliseconds: there, every fifth number is moved.
  const stride = tf.getBackend() === "webgpu" ? 5 : 1;
  const at = (k: number, data: Float32Array) =>
    tf.tidy(() => weigh(operation(...inputs.map((x, i) => (i === k ? tf.tensor(data, x.shape) : x)))));
  for (const [k, x] of inputs.entries()) {
    const data = await x.data<"float32">();
    const places = Array.from(data.keys()).filter((i) => i % stride === 0);
    const ends = places.flatMap((i) => [-step, step].map((move) => at(k, data.with(i, data[i]! + move))));
    const [sums] = await valuesOf(() => [tf.stack(ends)]);
    tf.dispose(ends);
    const slopes = places.map((_, n) => (sums![2 * n + 1]! - sums![2 * n]!) / (2 * step));
    const own = places.map((i) => gradients[k]![i]!);
    expectClose(own, slopes, tolerance, `gradient of input ${k}`);
  }
}

/** Compares values and gradients in every input with those of another composition. */
export async function expectSameAs(
  operation: Operation,
  other: Operation,
  inputs: readonly tf.Tensor[],
  tolerance = 1e-4,
): Promise<void> {
  const [got, want] = await valuesOf(() => [operation(...inputs), other(...inputs)]);
  expectClose(got!, want!, tolerance, "value");
  const [gradients, others] = [await gradientsOf(operation, inputs), await gradientsOf(other, inputs)];
  for (const [k, gradient] of gradients.entries()) {
    expectClose(gradient, others[k]!, tolerance, `gradient of input ${k}`);
  }
}

/** Checks that a call leaves nothing but its results behind, outside any tidy. */
export function expectOnlyResults(run: () => tf.Tensor | tf.Tensor[]): void {
  const before = tf.memory().numTensors;
  const results = [run()].flat();
  expect(tf.memory().numTensors - before, "tensors made").toBe(results.length);
  tf.dispose(results);
}
