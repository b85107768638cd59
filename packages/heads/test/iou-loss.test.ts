import { ConfigError, ShapeError } from "@caddet/core";
import { bboxOverlaps, type IouLossKind, iouLoss } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { expectClose, expectNoLeak, type GoldenArray, golden } from "./golden";

interface IouCase {
  readonly loss_type: "IoULoss" | "IoULoss linear" | "GIoULoss";
  readonly boxes: string;
  readonly pred: GoldenArray;
  readonly target: GoldenArray;
  readonly weight: GoldenArray | null;
  readonly avg_factor: number | null;
  readonly loss: number;
  readonly elementwise: GoldenArray;
  readonly grad: GoldenArray;
}

const KIND: Record<IouCase["loss_type"], IouLossKind> = {
  IoULoss: "iou",
  "IoULoss linear": "linear-iou",
  GIoULoss: "giou",
};

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("iouLoss", () => {
    it.each(golden<{ cases: IouCase[] }>("pieces/iou-losses").cases)(
      "has the reference's $loss_type and gradient, boxes $boxes",
      async ({ loss_type, pred, target, weight, avg_factor, loss, elementwise, grad }) => {
        const rows = pred.shape[0]!;
        const kind = KIND[loss_type];
        const [value, slope, losses] = await valuesOf(() => {
          const boxes = tf.tensor2d(pred.data, [rows, 4]);
          const targets = tf.tensor2d(target.data, [rows, 4]);
          const weights = tf.tensor1d(weight?.data ?? new Array<number>(rows).fill(1));
          const own = tf.valueAndGrad((x) =>
            tf.div(tf.sum(tf.mul(iouLoss(x as tf.Tensor2D, targets, kind), weights)), avg_factor ?? rows),
          )(boxes);
          return [own.value, own.grad, iouLoss(boxes, targets, kind)];
        });
        expectClose(losses!, elementwise.data, 1e-5);
        expectClose(value!, [loss], 1e-5);
        expectClose(slope!, grad.data);
      },
    );

    it.each(["iou", "linear-iou", "giou"] as const)(
      "of kind %s has the gradient of finite differences",
      async (kind) => {
        const boxes = [3, 4, 20, 18];
        const target = [6, 2, 25, 14];
        const at = (v: number[]) => {
          const [overlap] = bboxOverlaps(v, target, kind === "giou" ? "giou" : "iou");
          return kind === "iou" ? -Math.log(overlap!) : 1 - overlap!;
        };
        const lossBy = (x: tf.Tensor) => tf.sum(iouLoss(x as tf.Tensor2D, tf.tensor2d(target, [1, 4]), kind));
        const [slope] = await valuesOf(() => [tf.grad(lossBy)(tf.tensor2d(boxes, [1, 4]))]);
        boxes.forEach((_, k) => {
          const moved = (by: number) => at(boxes.map((v, i) => (i === k ? v + by : v)));
          expect(slope![k]).toBeCloseTo((moved(0.05) - moved(-0.05)) / 0.1, 3);
        });
      },
    );

    it.each(["iou", "linear-iou", "giou"] as const)("of kind %s is NaN where a box is NaN", async (kind) => {
      const [losses] = await valuesOf(() => {
        const target = tf.tensor2d(new Array(4).fill([0, 0, 2, 2]));
        const boxes = [0, 1, 2, 3].map((side) => [0, 0, 2, 2].map((v, k) => (k === side ? Number.NaN : v)));
        return [iouLoss(tf.tensor2d(boxes), target, kind)];
      });
      expect([...losses!]).toEqual(new Array(4).fill(Number.NaN));
    });

    it("leaves no tensors behind", async () => {
      const boxes = tf.tensor2d([0, 0, 2, 2], [1, 4]);
      const targets = tf.tensor2d([1, 0, 3, 2], [1, 4]);
      for (const kind of ["iou", "linear-iou", "giou"] as const) {
        await expectNoLeak(() => iouLoss(boxes, targets, kind).dispose());
        await expectNoLeak(() =>
          tf
            .grad((x) => tf.sum(iouLoss(x as tf.Tensor2D, targets, kind)))(boxes)
            .dispose(),
        );
      }
      tf.dispose([boxes, targets]);
    });

    it("refuses other shapes and kinds", () => {
      tf.tidy(() => {
        expect(() => iouLoss(tf.zeros([2, 4]), tf.zeros([3, 4]))).toThrow(ShapeError);
        expect(() => iouLoss(tf.zeros([2, 4]), tf.zeros([2, 4]), "diou" as IouLossKind)).toThrow(ConfigError);
      });
    });
  });
});
