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
      const other = [
        [1, 1, 0, 0],
        [3, 4, 5, 0, 0, 0, 0, 0],
      ];
      const collective = beside(other, [[0, 0, 0, 0], Array(8).fill(0)]);
      const before = tf.memory().numTensors;
      const means = await meanGradients(collective, variables, gradients);
      expect(tf.memory().numTensors).toBe(before + 3);
      expect(Object.keys(means)).toEqual([a, b, d]);
      expect(means[c]).toBeUndefined();
      expect(Array.from(means[a]!.dataSync())).toEqual([2, 3]);
      expect(Array.from(means[b]!.dataSync())).toEqual([2.5]);
      expect(means[b]!.shape).toEqual([]);
      expect(means[d]!.shape).toEqual([1, 2]);
      expect(Array.from(means[d]!.dataSync())).toEqual([4, 3]);
      // A second exchange uses the room of the first, and leaves its means alone. Nothing of the first is in it.
      const next = await meanGradients(collective, variables, { [d]: gradients[d]! });
      expect(Object.keys(next)).toEqual([d]);
      expect(Array.from(next[d]!.dataSync())).toEqual([4, 3]);
      expect(Array.from(means[a]!.dataSync())).toEqual([2, 3]);
      expect(Array.from(means[b]!.dataSync())).toEqual([2.5]);
      // Its own are as they were.
      expect(Array.from(gradients[a]!.dataSync())).toEqual([1, 2]);
      tf.dispose([variables, gradients, means, next] as tf.TensorContainer);
    }));
});
