import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { gatedSum, ShapeError } from "../src";
import { backends, onBackend } from "./backends";
import { expectNumericGradients, expectOnlyResults, expectSameAs, mixed } from "./check-gradients";

const sum = (gates: tf.Tensor, ...maps: tf.Tensor[]) => gatedSum(maps as tf.Tensor4D[], gates as tf.Tensor2D);

const composed = (gates: tf.Tensor, ...maps: tf.Tensor[]) =>
  tf.addN(maps.map((x, k) => tf.mul(x, tf.reshape(tf.slice(gates, [0, k], [-1, 1]), [-1, 1, 1, 1]))));

describe.each(backends)("gatedSum on %s", (backend) => {
  it.each([1, 2, 3, 11])("sums %i gated maps, with the gradients of the composition", (k) =>
    onBackend(backend, async () => {
      const gates = mixed([2, k]);
      const maps = Array.from({ length: k }, (_, i) => mixed([2, 3, 2, 4], i));
      await expectSameAs(sum, composed, [gates, ...maps], 1e-5);
      expectOnlyResults(() => sum(gates, ...maps));
      tf.dispose([gates, maps]);
    }),
  );

  it("has the gradient of finite differences", () =>
    onBackend(backend, async () => {
      const inputs = [mixed([2, 2]), mixed([2, 2, 1, 3], 1), mixed([2, 2, 1, 3], 2)];
      await expectNumericGradients(sum, inputs);
      tf.dispose(inputs);
    }));

  it("refuses gates and maps that do not fit", () =>
    onBackend(backend, async () => {
      const [gates, map, other] = [tf.ones([2, 2]), tf.ones([2, 1, 1, 3]), tf.ones([2, 1, 2, 3])];
      expect(() => sum(gates, map)).toThrow("got gates [2,2] for 1 maps of shape [2,1,1,3]");
      expect(() => sum(gates, map, other)).toThrow("maps of one shape, got [2,1,1,3] and [2,1,2,3]");
      expect(() => sum(gates)).toThrow(ShapeError);
      tf.dispose([gates, map, other]);
    }));
});
