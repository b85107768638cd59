import { ShapeError } from "@caddet/core";
import { binaryCrossEntropy, l1Loss } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { expectClose, expectNoLeak, type GoldenArray, golden } from "./golden";

interface EntropyCase {
  readonly op: "centerness BCE";
  readonly logits: GoldenArray;
  readonly target: GoldenArray;
  readonly avg_factor: number | null;
  readonly loss: number;
  readonly grad: GoldenArray;
}

interface L1Case {
  readonly op: "L1Loss";
  readonly pred: GoldenArray;
  readonly target: GoldenArray;
  readonly weight: GoldenArray;
  readonly avg_factor: number;
  readonly loss: number;
  readonly grad: GoldenArray;
}

const { cases } = golden<{ cases: (EntropyCase | L1Case)[] }>("pieces/bce-l1");

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("binaryCrossEntropy", () => {
    it.each(cases.filter((c): c is EntropyCase => c.op === "centerness BCE"))(
      "has the reference's loss and gradient, divisor $avg_factor",
      async ({ logits, target, avg_factor, loss, grad }) => {
        const [value, slope] = await valuesOf(() => {
          const targets = tf.tensor1d(target.data);
          const own = tf.valueAndGrad((x) =>
            tf.div(tf.sum(binaryCrossEntropy(x as tf.Tensor1D, targets)), avg_factor ?? target.data.length),
          )(tf.tensor1d(logits.data));
          return [own.value, own.grad];
        });
        expectClose(value!, [loss], 1e-5);
        expectClose(slope!, grad.data);
      },
    );

    it("stays finite for huge logits", async () => {
      const [losses] = await valuesOf(() => [
        binaryCrossEntropy(tf.tensor1d([1e4, -1e4, 1e4]), tf.tensor1d([1, 1, 0])),
      ]);
      expect([...losses!]).toEqual([0, 1e4, 1e4]);
    });
  });

  describe("l1Loss", () => {
    it.each(cases.filter((c): c is L1Case => c.op === "L1Loss"))(
      "has the reference's loss and gradient",
      async ({ pred, target, weight, avg_factor, loss, grad }) => {
        const [value, slope, unweighted] = await valuesOf(() => {
          const shape = pred.shape as [number, number];
          const targets = tf.tensor2d(target.data, shape);
          const weights = tf.tensor2d(weight.data, shape);
          const own = tf.valueAndGrad((x) => tf.div(tf.sum(l1Loss(x as tf.Tensor2D, targets, weights)), avg_factor))(
            tf.tensor2d(pred.data, shape),
          );
          return [own.value, own.grad, l1Loss(tf.tensor2d([[1, 2]]), tf.tensor2d([[0, 4]]))];
        });
        expectClose(value!, [loss], 1e-5);
        expectClose(slope!, grad.data);
        expect([...unweighted!]).toEqual([3]);
      },
    );
  });

  describe("both", () => {
    it("leave no tensors behind", async () => {
      const a = tf.tensor2d([1, -2], [1, 2]);
      const b = tf.tensor2d([0, 1], [1, 2]);
      const flatA = tf.tensor1d([1, -2]);
      const flatB = tf.tensor1d([0, 1]);
      await expectNoLeak(() => l1Loss(a, b).dispose());
      await expectNoLeak(() => binaryCrossEntropy(flatA, flatB).dispose());
      await expectNoLeak(() =>
        tf
          .grad((x) => tf.sum(l1Loss(x as tf.Tensor2D, b, b)))(a)
          .dispose(),
      );
      await expectNoLeak(() =>
        tf
          .grad((x) => tf.sum(binaryCrossEntropy(x as tf.Tensor1D, flatB)))(flatA)
          .dispose(),
      );
      tf.dispose([a, b, flatA, flatB]);
    });

    it("refuse shapes that differ", () => {
      tf.tidy(() => {
        expect(() => binaryCrossEntropy(tf.zeros([2]), tf.zeros([3]))).toThrow(ShapeError);
        expect(() => l1Loss(tf.zeros([2, 4]), tf.zeros([2, 3]))).toThrow(ShapeError);
        expect(() => l1Loss(tf.zeros([2, 4]), tf.zeros([2, 4]), tf.zeros([2, 3]))).toThrow(ShapeError);
      });
    });
  });
});
