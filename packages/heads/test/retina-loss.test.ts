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
import { BACKENDS, useBackend } from "./backends";
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

describe.each(BACKENDS)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each(["giou", "iou", "linear-iou"] as const)("the box loss %s", (boxLoss) => {
    it("is that of decoded boxes, over the positives of the batch", async () => {
      const head = make(boxLoss);
      const deltas = randomDeltas();
      const raw = rawOf(deltas);
      const targets = assignRetinaTargets(TRUTHS, SIZES, head.settings);
      expect(targets.positives.length).toBeGreaterThan(20);
      const shifts = Float32Array.from(targets.deltas, (_, i) => deltas[4 * targets.positives[i >> 2]! + (i % 4)]!);
      await expectNoLeak(() => {
        const wanted = tf.tidy(() => {
          const boxes = tf.tensor2d(decodeDeltas(targets.anchors, shifts), [targets.positives.length, 4]);
          const losses = iouLoss(boxes, tf.tensor2d(targets.boxes, [targets.positives.length, 4]), boxLoss);
          return tf.sum(losses).dataSync()[0]! / targets.divisor;
        });
        const { perImage, terms } = head.loss(raw, TRUTHS);
        expectClose(terms.box!.dataSync(), [wanted], 1e-5);
        tf.dispose([perImage, terms]);
      });
      head.disposeRaw(raw);
      head.dispose();
    });

    it("has the gradient of finite differences, 0 by sides beyond the largest ratio", () => {
      const head = make(boxLoss);
      const deltas = randomDeltas();
      const { positives } = assignRetinaTargets(TRUTHS, SIZES, head.settings);
      const [first, second] = [4 * positives[0]!, 4 * positives.at(-1)!];
      deltas[second + 2] = 9; // e^9 is above 62.5
      const lossOf = (values: Float32Array) =>
        tf.tidy(() => head.loss(rawOf(values), TRUTHS).terms.box!.dataSync()[0]!);
      const raw = rawOf(deltas);
      const slope = tf.tidy(() =>
        tf
          .grad((x) => head.loss({ ...raw, deltas: [x as tf.Tensor4D] }, TRUTHS).terms.box!)(raw.deltas[0]!)
          .dataSync(),
      );
      for (const i of [first, first + 1, first + 2, first + 3, second + 1]) {
        const [up, down] = [deltas.slice(), deltas.slice()];
        up[i]! += 2e-3;
        down[i]! -= 2e-3;
        expect(Math.abs(slope[i]! - (lossOf(up) - lossOf(down)) / (up[i]! - down[i]!))).toBeLessThan(2e-3);
      }
      expect(slope.some((g) => Math.abs(g) > 1e-2)).toBe(true);
      expect(slope[second + 2]).toBe(0);
      expect(slope.every(Number.isFinite)).toBe(true);
      head.disposeRaw(raw);
      head.dispose();
    });
  });
});
