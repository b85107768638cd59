import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { registerFallbackKernels, registerGradients } from "../src";

const registered: string[] = [];

beforeAll(async () => {
  registerGradients();
  registered.push(...registerFallbackKernels("wasm"));
});

describe("registerFallbackKernels", () => {
  it("registers what wasm lacks, once", () => {
    expect(registered).toEqual(["UnsortedSegmentSum"]);
    expect(registerFallbackKernels("wasm")).toEqual([]);
  });

  it("registers nothing where the backend has all, which is the current one by default", async () => {
    await tf.setBackend("cpu");
    expect(registerFallbackKernels()).toEqual([]);
  });

  it.each([
    { ids: [2, 0, 2, -1, 9], rest: [3] },
    { ids: [1, 1, 1], rest: [] },
    { ids: [0, 3, 3, 1], rest: [2, 2] },
  ])("sums the segments $ids of rows of shape $rest as cpu does", async ({ ids, rest }) => {
    const results: number[][] = [];
    for (const backend of ["cpu", "wasm"]) {
      await tf.setBackend(backend);
      const before = tf.memory().numTensors;
      const shape = [ids.length, ...rest];
      const size = shape.reduce((product, dimension) => product * dimension, 1);
      const x = tf.tensor(
        Float32Array.from({ length: size }, (_, i) => i + 1),
        shape,
      );
      const sums = tf.tidy(() => tf.unsortedSegmentSum(x, tf.tensor1d(ids, "int32"), 4));
      expect(sums.shape).toEqual([4, ...rest]);
      expect(sums.dtype).toBe("float32");
      results.push(Array.from(sums.dataSync()));
      tf.dispose([x, sums]);
      expect(tf.memory().numTensors).toBe(before);
    }
    expect(results[1]).toEqual(results[0]);
  });

  it("makes a gather differentiable on wasm", async () => {
    await tf.setBackend("wasm");
    const before = tf.memory().numTensors;
    const gradient = tf.tidy(() =>
      tf.grad((x) => tf.gather(x, tf.tensor1d([2, 0, 2], "int32")))(tf.ones([4, 2]), tf.ones([3, 2])),
    );
    expect(Array.from(gradient.dataSync())).toEqual([1, 1, 0, 0, 2, 2, 0, 0]);
    gradient.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
