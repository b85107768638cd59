// Gradients of a data-parallel step: each process has those of its own images, and all go on with the mean.
import * as tf from "@tensorflow/tfjs-core";
import type { Collective } from "./contracts";

// What is exchanged lies in one place that is kept: to ask for so much memory at each step costs as much as the exchange.
const rooms = new WeakMap<Collective, Float32Array>();

function roomOf(collective: Collective, size: number): Float32Array {
  const kept = rooms.get(collective);
  if (kept && kept.length >= size) return kept.subarray(0, size);
  const room = new Float32Array(size);
  rooms.set(collective, room);
  return room;
}

// Only wasm is known to copy what it is given at once; others may look at it later.
const tensorOf = (values: Float32Array, shape: number[]) =>
  tf.tensor(tf.getBackend() === "wasm" ? values : values.slice(), shape, "float32");

/**
 * The mean over processes of each variable's gradient. What has a gradient in some processes alone counts as 0 in the others.
 *
 * @param collective the processes, one call at a time; all call this with the same variables in the same order
 * @param variables those that are trained
 * @param gradients this process's, by the variables' names; they stay the caller's
 * @returns the means by this process's names, the caller's; a variable without a gradient anywhere has none
 * @throws what the collective throws
 * @example const means = await meanGradients(collective, variables, grads);
 */
export async function meanGradients(
  collective: Collective,
  variables: readonly tf.Variable[],
  gradients: tf.NamedTensorMap,
): Promise<tf.NamedTensorMap> {
  const read = await Promise.all(variables.map(({ name }) => gradients[name]?.data<"float32">()));
  const sizes = variables.map(({ size }) => size);
  const present = Float32Array.from(read, (values) => (values ? 1 : 0));
  const total = sizes.reduce((a, b) => a + b, 0);
  const numbers = roomOf(collective, total);
  const starts: number[] = [];
  let end = 0;
  for (const [i, size] of sizes.entries()) {
    starts.push(end);
    if (read[i]) numbers.set(read[i], end);
    else numbers.fill(0, end, end + size);
    end += size;
  }
  await collective.allReduceMean([present, numbers]);
  const means: tf.NamedTensorMap = {};
  for (const [i, { name, shape, size }] of variables.entries()) {
    const start = starts[i]!;
    if (present[i]! > 0) means[name] = tensorOf(numbers.subarray(start, start + size), shape);
  }
  return means;
}
