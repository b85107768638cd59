import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { tidy } from "../src";

describe.each(backends)("tidy on %s", (backend) => {
  it("keeps the tensors inside its result and frees the others", async () => {
    await useBackend(backend);
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

  it("frees what a failing function made", async () => {
    await useBackend(backend);
    const before = tf.memory().numTensors;
    expect(() =>
      tidy(() => {
        tf.zeros([2]);
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(tf.memory().numTensors).toBe(before);
  });
});
