import { ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { pathSimilarity } from "../src";
import { cases } from "./goldens";

describe.each(backends)("pathSimilarity on %s", (backend) => {
  it.each(cases)("equals the reference: $name", (golden) =>
    onBackend(backend, async () => {
      const gates = tf.tensor2d(golden.gates, [golden.images, golden.paths]);
      const similarity = pathSimilarity(gates);
      expect(similarity.shape).toEqual([golden.images, golden.images]);
      const got = await similarity.data();
      for (const [i, want] of golden.pathSimilarity.entries()) expect(Math.abs(got[i]! - want)).toBeLessThan(1e-6);
      tf.dispose([gates, similarity]);
    }),
  );

  it("does not depend on the length of a row, down to the smallest", () =>
    onBackend(backend, async () => {
      const gates = tf.tensor2d([
        [3, 4, 0],
        [3e-15, 4e-15, 0],
        [4, 3, 0],
      ]);
      const similarity = pathSimilarity(gates);
      const got = await similarity.data();
      for (const [i, want] of [1, 1, 0.96, 1, 1, 0.96, 0.96, 0.96, 1].entries()) expect(got[i]).toBeCloseTo(want, 5);
      tf.dispose([gates, similarity]);
    }));

  it("has the gradient of finite differences for rows of any sign", () =>
    onBackend(backend, async () => {
      const start = Float32Array.of(0.5, -0.25, 0.75, 0.125, 0.5, -1);
      const weights = tf.tensor2d([
        [0, 1],
        [-3, 2],
      ]);
      const weigh = (gates: tf.Tensor) => tf.sum(tf.mul(pathSimilarity(gates as tf.Tensor2D), weights));
      const at = async (x: Float32Array) => {
        const out = tf.tidy(() => weigh(tf.tensor2d(x, [2, 3])));
        const [value] = await out.data();
        out.dispose();
        return value!;
      };
      const gates = tf.tensor2d(start, [2, 3]);
      const grad = tf.grad(weigh)(gates);
      const got = await grad.data();
      const h = 1 / 128;
      for (const i of start.keys()) {
        const slope = ((await at(start.with(i, start[i]! + h))) - (await at(start.with(i, start[i]! - h)))) / (2 * h);
        expect(Math.abs(got[i]! - slope)).toBeLessThan(1e-3);
      }
      tf.dispose([weights, gates, grad]);
    }));

  it("gives a row of zeros similarity 0 and no gradient, and its partners none through it", () =>
    onBackend(backend, async () => {
      const gates = tf.tensor2d([
        [0, 0],
        [1, 2],
      ]);
      const similarity = pathSimilarity(gates);
      const grad = tf.grad((g) => tf.sum(tf.slice(pathSimilarity(g as tf.Tensor2D), [0, 0], [1, 2])))(gates);
      const values = await similarity.data();
      expect(Array.from(values.subarray(0, 3))).toEqual([0, 0, 0]);
      expect(values[3]).toBeCloseTo(1, 6);
      expect(Array.from(await grad.data(), Math.abs)).toEqual([0, 0, 0, 0]);
      tf.dispose([gates, similarity, grad]);
    }));

  it("refuses what is no non-empty matrix", () =>
    onBackend(backend, async () => {
      for (const gates of [tf.zeros([0, 3]), tf.zeros([2, 0]), tf.zeros([3])]) {
        expect(() => pathSimilarity(gates as tf.Tensor2D)).toThrow(ShapeError);
        expect(() => pathSimilarity(gates as tf.Tensor2D)).toThrow(`got [${gates.shape}]`);
        gates.dispose();
      }
    }));
});
