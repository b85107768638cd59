import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { tidy } from "../src";

it("tidy keeps the tensors inside its result and frees the others", async () => {
  await tf.setBackend("cpu");
  const before = tf.memory().numTensors;
  const { map, list } = tidy(() => {
    const x = tf.tensor1d([1, 2]);
    return { map: tf.add(x, 1), list: [tf.mul(x, 2)], name: "kept" };
  });
  expect(tf.memory().numTensors).toBe(before + 2);
  expect(Array.from(await map.data())).toEqual([2, 3]);
  expect(Array.from(await list[0]!.data())).toEqual([2, 4]);
  tf.dispose([map, ...list]);
});

it("tidy frees what a failing function made", async () => {
  await tf.setBackend("cpu");
  const before = tf.memory().numTensors;
  expect(() =>
    tidy(() => {
      tf.zeros([2]);
      throw new Error("stop");
    }),
  ).toThrow("stop");
  expect(tf.memory().numTensors).toBe(before);
});
