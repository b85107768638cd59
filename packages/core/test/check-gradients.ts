// Checks of operations on small inputs: gradients against finite differences or another composition, and tensor counts.
// Results are weighted by fixed numbers of mixed sign before they are summed, so that no two of them are alike.
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";

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
  tf.tidy(() =>
    tf
      .grads((...xs) => weigh(operation(...xs)))([...inputs])
      .map((g) => g.dataSync()),
  );

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    expect(Math.abs(got[i]! - want[i]!), `${what}[${i}] is ${got[i]}, not ${want[i]}`).toBeLessThan(tolerance);
  }
}

/** Compares the gradient in every input with central differences. A step of 1/2 is exact for maps linear in each input. */
export function expectNumericGradients(
  operation: Operation,
  inputs: readonly tf.Tensor[],
  { step = 0.5, tolerance = 1e-3 }: { step?: number; tolerance?: number } = {},
): void {
  const gradients = gradientsOf(operation, inputs);
  const at = (k: number, data: Float32Array) =>
    tf.tidy(() => {
      const moved = inputs.map((x, i) => (i === k ? tf.tensor(data, x.shape) : x));
      return weigh(operation(...moved)).dataSync()[0]!;
    });
  for (const [k, x] of inputs.entries()) {
    const data = x.dataSync() as Float32Array;
    const slopes = Array.from(
      data,
      (v, i) => (at(k, data.with(i, v + step)) - at(k, data.with(i, v - step))) / (2 * step),
    );
    expectClose(gradients[k]!, slopes, tolerance, `gradient of input ${k}`);
  }
}

/** Compares values and gradients in every input with those of another composition. */
export function expectSameAs(
  operation: Operation,
  other: Operation,
  inputs: readonly tf.Tensor[],
  tolerance = 1e-4,
): void {
  const [got, want] = tf.tidy(() => [operation(...inputs), other(...inputs)].map((y) => y.dataSync())) as [
    Float32Array,
    Float32Array,
  ];
  expectClose(got, want, tolerance, "value");
  const [gradients, others] = [gradientsOf(operation, inputs), gradientsOf(other, inputs)];
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
