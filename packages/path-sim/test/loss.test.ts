import { ConfigError, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { pathSimilarityLoss } from "../src";
import { cases } from "./goldens";

describe.each(backends)("pathSimilarityLoss on %s", (backend) => {
  it.each(cases)("equals the reference, gradient included: $name", (golden) =>
    onBackend(backend, async () => {
      const gates = tf.tensor2d(golden.gates, [golden.images, golden.paths]);
      const { min, max, scaleEncoding: encodings } = golden;
      const loss = pathSimilarityLoss({ gates, encodings, min, max });
      const { value, grad } = tf.valueAndGrad((g) =>
        pathSimilarityLoss({ gates: g as tf.Tensor2D, encodings, min, max }),
      )(gates);
      const [once, again, gradient] = await Promise.all([loss, value, grad].map((t) => t.data()));
      expect(loss.shape).toEqual([]);
      expect(Math.abs(once![0]! - golden.loss)).toBeLessThan(1e-6 * Math.max(1, golden.loss));
      expect(again![0]).toBe(once![0]);
      expect(gradient!.length).toBe(golden.grad.length);
      for (const [i, want] of golden.grad.entries()) expect(Math.abs(gradient![i]! - want)).toBeLessThan(1e-6);
      for (const b of golden.zeroRows) {
        const row = gradient!.subarray(b * golden.paths, (b + 1) * golden.paths);
        expect(Array.from(row, Math.abs)).toEqual(new Array(golden.paths).fill(0));
      }
      tf.dispose([gates, loss, value, grad]);
    }),
  );

  it("is 0 for one image, gradient included", () =>
    onBackend(backend, async () => {
      const gates = tf.tensor2d([[0.5, 0.25]]);
      const { value, grad } = tf.valueAndGrad((g) => pathSimilarityLoss({ gates: g as tf.Tensor2D, encodings: [[1]] }))(
        gates,
      );
      expect(Array.from(await value.data())).toEqual([0]);
      expect(Array.from(await grad.data(), Math.abs)).toEqual([0, 0]);
      tf.dispose([gates, value, grad]);
    }));

  it("asks alike images for 0.95 by default, and falls when a step follows the gradient", () =>
    onBackend(backend, async () => {
      const encodings = [
        [1, 0],
        [1, 0],
      ];
      const loss = (g: tf.Tensor) => pathSimilarityLoss({ gates: g as tf.Tensor2D, encodings });
      const gates = tf.tensor2d([
        [1, 0],
        [0.6, 0.8],
      ]);
      const { value, grad } = tf.valueAndGrad(loss)(gates);
      const after = tf.tidy(() => loss(tf.sub(gates, tf.mul(grad, 0.1))));
      const [[before], [stepped]] = await Promise.all([value.data(), after.data()]);
      expect(before).toBeCloseTo((0.6 - 0.95) ** 2 / 2, 6);
      expect(stepped).toBeLessThan(before!);
      tf.dispose([gates, value, grad, after]);
    }));

  it("has the gradient of finite differences, and leaves its result alone", () =>
    onBackend(backend, async () => {
      const start = Float32Array.of(0.5, 0.25, 0.75, 0.125, 0, 1, 0.875, 0.375, 0.0625);
      const encodings = [
        [1, 0],
        [1, 1],
        [0, 1],
      ];
      const loss = (g: tf.Tensor) => pathSimilarityLoss({ gates: g as tf.Tensor2D, encodings });
      const at = async (gates: Float32Array) => {
        const g = tf.tensor2d(gates, [3, 3]);
        const before = tf.memory().numTensors;
        const out = loss(g);
        expect(tf.memory().numTensors - before).toBe(1);
        const [value] = await out.data();
        tf.dispose([g, out]);
        return value!;
      };
      const gates = tf.tensor2d(start, [3, 3]);
      const grad = tf.grad(loss)(gates);
      const got = await grad.data();
      const h = 1 / 128;
      for (const [i, v] of start.entries()) {
        const slope = ((await at(start.with(i, v + h))) - (await at(start.with(i, v - h)))) / (2 * h);
        expect(Math.abs(got[i]! - slope), `gate ${i}`).toBeLessThan(1e-3);
      }
      tf.dispose([gates, grad]);
    }));

  it.each([
    [64, 1, 1e-5],
    [64, 10_000, 1e-3], // equal summands are the worst case of a float32 sum: their rounding errors do not cancel
    [256, 158, 2e-5],
  ])("takes %d images of %d paths, within %d", (b, paths, tolerance) =>
    onBackend(backend, async () => {
      const encodings = Array.from({ length: b }, (_, i) => [i & 1, i & 2, i & 4, i & 8]);
      const gates = tf.ones<tf.Rank.R2>([b, paths]);
      const { value, grad } = tf.valueAndGrad((g) => pathSimilarityLoss({ gates: g as tf.Tensor2D, encodings }))(gates);
      // All routes are alike. The 16 codes are equally frequent, and of all ordered pairs n in 16 differ in d of the 4 bits,
      // which makes a gap of 0.05 + 0.35 · d / 4.
      const squares = [1, 4, 6, 4, 1].reduce((sum, n, d) => sum + (n / 16) * (0.05 + (0.35 * d) / 4) ** 2, 0) * b ** 2;
      const want = (squares - b * 0.05 ** 2) / 2 / b;
      expect(Math.abs((await value.data())[0]! - want)).toBeLessThan(tolerance * want);
      expect((await grad.data()).every(Number.isFinite)).toBe(true);
      tf.dispose([gates, value, grad]);
    }),
  );

  it("refuses encodings of another number, and a wrong range", () =>
    onBackend(backend, async () => {
      const gates = tf.tensor2d([[1], [1]]);
      expect(() => pathSimilarityLoss({ gates, encodings: [[1]] })).toThrow("got 1 for gates [2,1]");
      expect(() => pathSimilarityLoss({ gates, encodings: [[1], [1, 0]] })).toThrow(ShapeError);
      expect(() => pathSimilarityLoss({ gates, encodings: [[1], [1]], min: 0 })).toThrow(ConfigError);
      gates.dispose();
    }));
});
