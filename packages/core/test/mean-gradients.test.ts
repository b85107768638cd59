import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { type Collective, meanGradients, singleProcess } from "../src";
import { backends, onBackend } from "./backends";

/** Rank 0 of 2; the other one brings `calls`, for each call one array for each that is reduced. */
function beside(...calls: readonly (readonly number[])[][]): Collective {
  let call = 0;
  return {
    ...singleProcess(),
    size: 2,
    allReduceMean: async (arrays) => {
      const other = calls[call++]!;
      expect(arrays.map(({ length }) => length)).toEqual(other.map(({ length }) => length));
      for (const [k, array] of arrays.entries())
        for (let i = 0; i < array.length; i++) array[i] = (array[i]! + other[k]![i]!) / 2;
    },
  };
}

describe.each(backends)("meanGradients on %s", (backend) => {
  it("gives the mean of all, 0 for a process without one, nothing where no process has one", () =>
    onBackend(backend, async () => {
      const variables = [[2], [], [3], [1, 2]].map((shape) => tf.tidy(() => tf.variable(tf.zeros(shape))));
      const [a, b, c, d] = variables.map(({ name }) => name) as [string, string, string, string];
      const gradients = { [a]: tf.tensor1d([1, 2]), [d]: tf.tensor2d([[8, 6]]) };
      const collective = beside([[1, 1, 0, 0]], [[3, 4, 5, 0, 0]], [[0, 0, 0, 0]], [[0, 0]]);
      const before = tf.memory().numTensors;
      const means = await meanGradients(collective, variables, gradients);
      expect(tf.memory().numTensors).toBe(before + 3);
      expect(Object.keys(means)).toEqual([a, b, d]);
      expect(means[c]).toBeUndefined();
      expect(Array.from(await means[a]!.data())).toEqual([2, 3]);
      expect(Array.from(await means[b]!.data())).toEqual([2.5]);
      expect(means[b]!.shape).toEqual([]);
      expect(means[d]!.shape).toEqual([1, 2]);
      expect(Array.from(await means[d]!.data())).toEqual([4, 3]);
      // A second exchange uses the room of the first, and leaves its means alone. Nothing of the first is in it.
      const next = await meanGradients(collective, variables, { [d]: gradients[d]! });
      expect(Object.keys(next)).toEqual([d]);
      expect(Array.from(await next[d]!.data())).toEqual([4, 3]);
      expect(Array.from(await means[a]!.data())).toEqual([2, 3]);
      expect(Array.from(await means[b]!.data())).toEqual([2.5]);
      // Its own are as they were.
      expect(Array.from(await gradients[a]!.data())).toEqual([1, 2]);
      tf.dispose([variables, gradients, means, next] as tf.TensorContainer);
    }));

  it("exchanges about a million numbers at a time, whole variables", () =>
    onBackend(backend, async () => {
      const sizes = [2 ** 20 - 2, 2, 3, 2 ** 20 + 1, 4];
      const variables = sizes.map((size) => tf.tidy(() => tf.variable(tf.zeros([size]))));
      const gradients = Object.fromEntries(variables.map(({ name, size }, i) => [name, tf.fill([size], i + 1)]));
      const sent: number[] = [];
      const collective: Collective = {
        ...singleProcess(),
        size: 2,
        allReduceMean: async (arrays) => {
          for (const array of arrays) {
            sent.push(array.length);
            if (array.length > sizes.length) for (let i = 0; i < array.length; i++) array[i]! /= 2;
          }
        },
      };
      const means = await meanGradients(collective, variables, gradients);
      expect(sent).toEqual([5, 2 ** 20, 3, 2 ** 20 + 1, 4]);
      for (const [i, { name, size }] of variables.entries()) {
        const values = await means[name]!.data();
        const wanted = (i + 1) / (size > sizes.length || i === 1 ? 2 : 1);
        expect([values.length, Math.min(...values.slice(-9)), values[0]]).toEqual([size, wanted, wanted]);
      }
      tf.dispose([variables, gradients, means] as tf.TensorContainer);
    }));
});
