import { ShapeError } from "@caddet/core";
import { sigmoidFocalLoss } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
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

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("sigmoidFocalLoss", () => {
    it.each(golden<{ cases: FocalCase[] }>("pieces/focal-loss").cases)(
      "has the reference's loss and gradient, gamma $gamma, alpha $alpha",
      async ({ logits, target, weight, avg_factor, gamma, alpha, loss, elementwise, grad }) => {
        const [rows, classes] = logits.shape as [number, number];
        const divisor = avg_factor ?? rows * classes;
        const [value, slope, perRow] = await valuesOf(() => {
          const targets = tf.tensor1d(target.data, "int32");
          const weights = tf.tensor1d(weight?.data ?? new Array<number>(rows).fill(1));
          const own = tf.valueAndGrad((x) => {
            const losses = sigmoidFocalLoss(x as tf.Tensor2D, targets, { gamma, alpha });
            return tf.div(tf.sum(tf.mul(losses, weights)), divisor);
          })(tf.tensor2d(logits.data, [rows, classes]));
          const input = tf.tensor2d(logits.data, [rows, classes]);
          return [own.value, own.grad, sigmoidFocalLoss(input, targets, { gamma, alpha })];
        });
        expectClose(value!, [loss], 1e-5);
        expectClose(slope!, grad.data);
        const sumOfRow = (i: number) => elementwise.data.slice(i * classes, (i + 1) * classes).reduce((a, b) => a + b);
        expectClose(
          perRow!,
          target.data.map((_, i) => sumOfRow(i)),
        );
      },
    );

    it("takes every class outside the range as background", async () => {
      const [losses] = await valuesOf(() => {
        const logits = tf.tensor2d([1, -2, 1, -2, 1, -2], [3, 2]);
        return [sigmoidFocalLoss(logits, tf.tensor1d([2, -1, 7], "int32"))];
      });
      const [a, b, c] = losses!;
      expect(a).toBeGreaterThan(0);
      expect([b, c]).toEqual([a, a]);
    });

    it("stays finite for huge logits and is NaN for NaN", async () => {
      const [losses, grad] = await valuesOf(() => {
        const logits = tf.tensor2d([1e4, -1e4, Number.NaN, -1e4, -1e4, 0], [3, 2]);
        const targets = tf.tensor1d([0, 0, 0], "int32");
        const slope = tf.grad((x) => tf.sum(sigmoidFocalLoss(x as tf.Tensor2D, targets)))(logits);
        return [sigmoidFocalLoss(logits, targets), slope];
      });
      expect(losses![0]).toBe(0);
      expect(losses![1]).toBeNaN();
      expect(losses![2]).toBeCloseTo(0.25 * 1e4 + 0.75 * 0.25 * Math.log(2), 1);
      expect([grad![0], grad![1], grad![4]].every(Number.isFinite)).toBe(true);
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
