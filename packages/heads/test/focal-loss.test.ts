import { ShapeError } from "@caddet/core";
import { sigmoidFocalLoss } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { BACKENDS, useBackend } from "./backends";
import { expectClose, expectNoLeak, type GoldenArray, golden } from "./golden";

interface FocalCase {
  readonly logits: GoldenArray;
  readonly target: GoldenArray;
  readonly weight: GoldenArray | null;
  readonly avg_factor: number | null;
  readonly gamma: number;
  readonly alpha: number;
  readonly loss: number;
  readonly elementwise: GoldenArray;
  readonly grad: GoldenArray;
}

describe.each(BACKENDS)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("sigmoidFocalLoss", () => {
    it.each(golden<{ cases: FocalCase[] }>("pieces/focal-loss").cases)(
      "has the reference's loss and gradient, gamma $gamma, alpha $alpha",
      ({ logits, target, weight, avg_factor, gamma, alpha, loss, elementwise, grad }) => {
        const [rows, classes] = logits.shape as [number, number];
        const divisor = avg_factor ?? rows * classes;
        const [value, slope] = tf.tidy(() => {
          const targets = tf.tensor1d(target.data, "int32");
          const weights = tf.tensor1d(weight?.data ?? new Array<number>(rows).fill(1));
          const { value, grad } = tf.valueAndGrad((x) => {
            const losses = sigmoidFocalLoss(x as tf.Tensor2D, targets, { gamma, alpha });
            return tf.div(tf.sum(tf.mul(losses, weights)), divisor);
          })(tf.tensor2d(logits.data, [rows, classes]));
          const perRow = sigmoidFocalLoss(tf.tensor2d(logits.data, [rows, classes]), targets, {
            gamma,
            alpha,
          }).dataSync();
          const wanted = perRow.map((_, i) =>
            elementwise.data.slice(i * classes, (i + 1) * classes).reduce((a, b) => a + b),
          );
          expectClose(perRow, wanted);
          return [value.dataSync(), grad.dataSync()];
        });
        expectClose(value, [loss], 1e-5);
        expectClose(slope, grad.data);
      },
    );

    it("takes every class outside the range as background", () => {
      tf.tidy(() => {
        const logits = tf.tensor2d([1, -2, 1, -2, 1, -2], [3, 2]);
        const [a, b, c] = sigmoidFocalLoss(logits, tf.tensor1d([2, -1, 7], "int32")).dataSync();
        expect(a).toBeGreaterThan(0);
        expect([b, c]).toEqual([a, a]);
      });
    });

    it("stays finite for huge logits and is NaN for NaN", () => {
      tf.tidy(() => {
        const logits = tf.tensor2d([1e4, -1e4, Number.NaN, -1e4, -1e4, 0], [3, 2]);
        const targets = tf.tensor1d([0, 0, 0], "int32");
        const grad = tf
          .grad((x) => tf.sum(sigmoidFocalLoss(x as tf.Tensor2D, targets)))(logits)
          .dataSync();
        const losses = sigmoidFocalLoss(logits, targets).dataSync();
        expect(losses[0]).toBe(0);
        expect(losses[1]).toBeNaN();
        expect(losses[2]).toBeCloseTo(0.25 * 1e4 + 0.75 * 0.25 * Math.log(2), 1);
        expect([grad[0], grad[1], grad[4]].every(Number.isFinite)).toBe(true);
      });
    });

    it("leaves no tensors behind", async () => {
      const logits = tf.tensor2d([1, -2], [1, 2]);
      const targets = tf.tensor1d([0], "int32");
      await expectNoLeak(() => sigmoidFocalLoss(logits, targets).dispose());
      await expectNoLeak(() =>
        tf
          .grad((x) => tf.sum(sigmoidFocalLoss(x as tf.Tensor2D, targets)))(logits)
          .dispose(),
      );
      tf.dispose([logits, targets]);
    });

    it("refuses shapes that do not match", () => {
      tf.tidy(() => {
        expect(() => sigmoidFocalLoss(tf.zeros([2, 3]), tf.tensor1d([0], "int32"))).toThrow(ShapeError);
      });
    });
  });
});
