// Clones on wasm share their values and free them when the last one goes.
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";

beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});

it("gives a clone that outlives its source", async () => {
  const before = tf.memory();
  const source = tf.tensor1d([1, 2, 3]);
  const clone = tf.clone(source);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers + 1);
  source.dispose();
  expect([...(await clone.data())]).toEqual([1, 2, 3]);
  clone.dispose();
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
});

it("leaves a clone as it was when a variable moves on", async () => {
  const variable = tf.variable(tf.tensor1d([1, 2]));
  const clone = tf.clone(variable);
  tf.tidy(() => variable.assign(tf.tensor1d([5, 6])));
  expect([...(await clone.data())]).toEqual([1, 2]);
  expect([...(await variable.data())]).toEqual([5, 6]);
  tf.dispose([variable, clone]);
});

it("clones strings and differentiates through clones", async () => {
  const text = tf.tensor1d(["a", "b"]);
  const copy = tf.clone(text);
  text.dispose();
  expect(await copy.data()).toEqual(["a", "b"]);
  copy.dispose();
  const gradient = tf.grad((x) => tf.sum(tf.square(tf.clone(x))))(tf.tensor1d([3, -1]));
  expect([...(await gradient.data())]).toEqual([6, -2]);
});
