import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { type Activation, batchNorm, groupNorm } from "../src";
import { backends, onBackend } from "./backends";
import { expectNumericGradients, expectOnlyResults, expectSameAs, mixed } from "./check-gradients";

const activate = (x: tf.Tensor, activation: Activation) => (activation === "relu" ? tf.relu(x) : x);

// Normalisation over `axes` out of operations whose gradients TensorFlow.js knows.
function standardise(x: tf.Tensor, axes: number[], epsilon: number): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, axes, true));
  return tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), axes, true), epsilon)));
}

const shape = [2, 3, 2, 4];

describe.each(backends)("normalisations on %s", (backend) => {
  it.each<[Activation, boolean]>([
    ["linear", false],
    ["relu", false],
    ["linear", true],
    ["relu", true],
  ])("batchNorm with %s (residual: %s) has values and gradients of the composition", (activation, hasResidual) =>
    onBackend(backend, async () => {
      const inputs = [mixed(shape), mixed([4], 1), mixed([4], 3), ...(hasResidual ? [mixed(shape, 5)] : [])];
      const fused = (x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, residual?: tf.Tensor) =>
        batchNorm(x as tf.Tensor4D, scale as tf.Tensor1D, offset as tf.Tensor1D, {
          activation,
          ...(residual ? { residual: residual as tf.Tensor4D } : {}),
        }).y;
      const composed = (x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, residual?: tf.Tensor) => {
        const y = tf.add(tf.mul(standardise(x, [0, 1, 2], 1e-5), scale), offset);
        return activate(residual ? tf.add(y, residual) : y, activation);
      };
      await expectSameAs(fused as never, composed as never, inputs);
      tf.dispose(inputs);
    }),
  );

  it("batchNorm has the gradient of finite differences", () =>
    onBackend(backend, async () => {
      const inputs = [mixed([2, 2, 1, 2]), mixed([2], 1), mixed([2], 3)];
      await expectNumericGradients(
        (x, scale, offset) =>
          batchNorm(x as tf.Tensor4D, scale as tf.Tensor1D, offset as tf.Tensor1D, { epsilon: 0.1 }).y,
        inputs,
        { step: 1 / 64, tolerance: 2e-3 },
      );
      tf.dispose(inputs);
    }));

  it("batchNorm returns the batch's mean and biased variance", () =>
    onBackend(backend, async () => {
      const x = tf.tensor4d([1, 10, 3, 10], [2, 1, 1, 2]);
      const [scale, offset] = [tf.tensor1d([2, 5]), tf.tensor1d([0.5, 7])];
      const { y, mean, variance } = batchNorm(x, scale, offset, { epsilon: 1e-12 });
      expect(Array.from(await mean.data())).toEqual([2, 10]);
      expect(Array.from(await variance.data())).toEqual([1, 0]);
      const got = await y.data();
      for (const [i, want] of [-1.5, 7, 2.5, 7].entries()) expect(got[i]).toBeCloseTo(want, 5);
      expectOnlyResults(() => Object.values(batchNorm(x, scale, offset)));
      tf.dispose([x, scale, offset, y, mean, variance]);
    }));
  it.each<[Activation, number]>([
    ["linear", 1],
    ["linear", 2],
    ["relu", 2],
    ["relu", 4],
  ])("groupNorm with %s and %i groups has values and gradients of the composition", (activation, groups) =>
    onBackend(backend, async () => {
      const inputs = [mixed(shape), mixed([4], 1), mixed([4], 3)];
      const fused = (x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) =>
        groupNorm(x as tf.Tensor4D, scale as tf.Tensor1D, offset as tf.Tensor1D, { groups, activation });
      const composed = (x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) => {
        const split = tf.reshape(x, [2, 6, groups, 4 / groups]);
        return activate(tf.add(tf.mul(tf.reshape(standardise(split, [1, 3], 1e-5), shape), scale), offset), activation);
      };
      await expectSameAs(fused as never, composed as never, inputs);
      expectOnlyResults(() => fused(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])));
      tf.dispose(inputs);
    }),
  );

  it("groupNorm does not mix images", () =>
    onBackend(backend, async () => {
      const [scale, offset] = [tf.ones<tf.Rank.R1>([4]), tf.zeros<tf.Rank.R1>([4])];
      const both = mixed(shape) as tf.Tensor4D;
      const alone = tf.slice(both, [0, 0, 0, 0], [1, -1, -1, -1]) as tf.Tensor4D;
      const [y, first] = [both, alone].map((x) => groupNorm(x, scale, offset, { groups: 2 }));
      expect((await y!.data()).slice(0, 24)).toEqual(await first!.data());
      tf.dispose([scale, offset, both, alone, y!, first!]);
    }));
});
