import { NonFiniteError, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { globalBudgetLoss } from "../src";

describe.each(backends)("globalBudgetLoss on %s", (backend) => {
  it("squares each image's gap and averages", () =>
    onBackend(backend, async () => {
      const cost = tf.tensor1d([0.5, 0.25]);
      const { perImage, loss } = globalBudgetLoss(cost, [0.25, 0.75]);
      expect(Array.from(await perImage.data())).toEqual([0.0625, 0.25]);
      expect(Array.from(await loss.data())).toEqual([0.15625]);
      tf.dispose([cost, perImage, loss]);
    }));

  it("takes budgets as a tensor, and has the gradient 2 · gap / B", () =>
    onBackend(backend, async () => {
      const [cost, budget] = [tf.tensor1d([0.5, 0.25]), tf.tensor1d([0.25, 0.75])];
      const [dcost, dbudget] = tf.grads((c, e) => globalBudgetLoss(c as tf.Tensor1D, e as tf.Tensor1D).loss)([
        cost,
        budget,
      ]);
      expect(Array.from(await dcost!.data())).toEqual([0.25, -0.5]);
      expect(Array.from(await dbudget!.data())).toEqual([-0.25, 0.5]);
      tf.dispose([cost, budget, dcost!, dbudget!]);
    }));

  it("names the image whose budget is not finite", () =>
    onBackend(backend, async () => {
      const cost = tf.tensor1d([0.5, 0.25]);
      expect(() => globalBudgetLoss(cost, [0.1, Number.NaN])).toThrow(NonFiniteError);
      expect(() => globalBudgetLoss(cost, Float32Array.of(0.1, Number.NaN))).toThrow(
        "got NaN for image 1 of the batch",
      );
      cost.dispose();
    }));

  it("passes a cost that is not finite on, to whoever watches the loss", () =>
    onBackend(backend, async () => {
      const cost = tf.tensor1d([Number.NaN, 0.25]);
      const { perImage, loss } = globalBudgetLoss(cost, [0.25, 0.25]);
      expect(Array.from(await perImage.data())).toEqual([Number.NaN, 0]);
      expect(await loss.data()).toEqual(Float32Array.of(Number.NaN));
      tf.dispose([cost, perImage, loss]);
    }));

  it("refuses lengths that differ and an empty batch", () =>
    onBackend(backend, async () => {
      const [cost, none] = [tf.tensor1d([0.5, 0.25]), tf.tensor1d([])];
      expect(() => globalBudgetLoss(cost, [0.1])).toThrow("got costs [2] and 1 budgets");
      expect(() => globalBudgetLoss(none, [])).toThrow(ShapeError);
      tf.dispose([cost, none]);
    }));
});
