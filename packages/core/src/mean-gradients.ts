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

// Numbers that are exchanged at a time: all at once would be held twice more, as they were read and as they are sent.
const PART = 2 ** 20;

const sizeOf = (variables: readonly tf.Variable[]) => variables.reduce((sum, { size }) => sum + size, 0);

function partsOf(variables: readonly tf.Variable[]): tf.Variable[][] {
  const parts: tf.Variable[][] = [];
  let room = 0;
  for (const v of variables) {
    if (v.size > room) {
      parts.push([]);
      room = PART;
    }
    parts.at(-1)!.push(v);
    room -= v.size;
  }
  return parts;
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
  const present = Float32Array.from(variables, ({ name }) => (gradients[name] ? 1 : 0));
  await collective.allReduceMean([present]);
  const given = variables.filter((_, i) => present[i]! > 0);
  const parts = partsOf(given);
  const room = roomOf(collective, Math.max(0, ...parts.map(sizeOf)));
  const means: tf.NamedTensorMap = {};
  for (const part of parts) {
    const read = await Promise.all(part.map(({ name }) => gradients[name]?.data<"float32">()));
    const numbers = room.subarray(0, sizeOf(part));
    const places: Float32Array[] = [];
    let end = 0;
    for (const [i, { size }] of part.entries()) {
      const place = numbers.subarray(end, end + size);
      end += size;
      if (read[i]) place.set(read[i]);
      else place.fill(0);
      places.push(place);
    }
    await collective.allReduceMean([numbers]);
    for (const [i, { name, shape }] of part.entries()) means[name] = tensorOf(places[i]!, shape);
  }
  return means;
}
