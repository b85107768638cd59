// The box loss of RetinaNet on what shifts make of anchors; the L1 loss on shifts is compared with the reference in retina-golden.test.ts.
import { createRandom } from "@caddet/core";
import {
  assignRetinaTargets,
  createRetinaHead,
  decodeDeltas,
  iouLoss,
  type RetinaBoxLoss,
  type RetinaRaw,
} from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { expectClose, expectNoLeak, toTruth } from "./golden";

const make = (boxLoss: RetinaBoxLoss) =>
  createRetinaHead({
    inChannels: 2,
    channels: 2,
    stackedConvs: 0,
    numClasses: 2,
    strides: [8],
    boxLoss,
    random: createRandom(0),
  });
const SIZES = [{ height: 6, width: 8 }];
const TRUTHS = [
  toTruth(
    [
      [3, 5, 40, 33],
      [20, 2, 60, 47],
    ],
    [0, 1],
  ),
  toTruth([[10, 10, 50, 30]], [1]),
];
const ANCHORS = 2 * 6 * 8 * 9;

const rawOf = (deltas: Float32Array): RetinaRaw => ({
  classes: [tf.zeros([2, 6, 8, 18])],
  deltas: [tf.tensor4d(deltas, [2, 6, 8, 36])],
});

function randomDeltas(): Float32Array {
  const random = createRandom(4);
  return Float32Array.from({ length: 4 * ANCHORS }, () => 0.3 * random.normal());
}

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each(["giou", "iou", "linear-iou"] as const)("the box loss %s", (boxLoss) => {
    it("is that of decoded boxes, over the positives of the batch", async () => {
      const head = make(boxLoss);
      const deltas = randomDeltas();
      const raw = rawOf(deltas);
      const targets = assignRetinaTargets(TRUTHS, SIZES, head.settings);
      expect(targets.positives.length).toBeGreaterThan(20);
      const shifts = Float32Array.from(targets.deltas, (_, i) => deltas[4 * targets.positives[i >> 2]! + (i % 4)]!);
      await expectNoLeak(async () => {
        const [wanted] = await valuesOf(() => {
          const boxes = tf.tensor2d(decodeDeltas(targets.anchors, shifts), [targets.positives.length, 4]);
          const losses = iouLoss(boxes, tf.tensor2d(targets.boxes, [targets.positives.length, 4]), boxLoss);
          return [tf.div(tf.sum(losses), targets.divisor)];
        });
        const { perImage, terms } = head.loss(raw, TRUTHS);
        expectClose(await terms.box!.data(), wanted!, 1e-5);
        tf.dispose([perImage, terms]);
      });
      head.disposeRaw(raw);
      head.dispose();
    });

    it("is NaN where a shift is NaN", async () => {
      const head = make(boxLoss);
      const { positives } = assignRetinaTargets(TRUTHS, SIZES, head.settings);
      for (const k of [0, 1, 2, 3]) {
        const deltas = randomDeltas();
        deltas[4 * positives[0]! + k] = Number.NaN;
        const [loss] = await valuesOf(() => [head.loss(rawOf(deltas), TRUTHS).terms.box!]);
        expect(loss![0]).toBeNaN();
      }
      head.dispose();
    });

    it("has the gradient of finite differences, 0 by sides beyond the largest ratio", async () => {
      const head = make(boxLoss);
      const deltas = randomDeltas();
      const { positives } = assignRetinaTargets(TRUTHS, SIZES, head.settings);
      const [first, second] = [4 * positives[0]!, 4 * positives.at(-1)!];
      deltas[second + 2] = 9; // e^9 is above 62.5
      const lossOf = async (values: Float32Array) => {
        const [loss] = await valuesOf(() => [head.loss(rawOf(values), TRUTHS).terms.box!]);
        return loss![0]!;
      };
      const raw = rawOf(deltas);
      const lossBy = (x: tf.Tensor) => head.loss({ ...raw, deltas: [x as tf.Tensor4D] }, TRUTHS).terms.box!;
      const slope = (await valuesOf(() => [tf.grad(lossBy)(raw.deltas[0]!)]))[0]!;
      for (const i of [first, first + 1, first + 2, first + 3, second + 1]) {
        const [up, down] = [deltas.slice(), deltas.slice()];
        up[i]! += 2e-3;
        down[i]! -= 2e-3;
        const wanted = ((await lossOf(up)) - (await lossOf(down))) / (up[i]! - down[i]!);
        expect(Math.abs(slope[i]! - wanted)).toBeLessThan(2e-3);
      }
      expect(slope.some((g) => Math.abs(g) > 1e-2)).toBe(true);
      expect(slope[second + 2]).toBe(0);
      expect(slope.every(Number.isFinite)).toBe(true);
      head.disposeRaw(raw);
      head.dispose();
    });
  });
});
