import { createRandom, DatasetError, ShapeError } from "@caddet/core";
import { createFcosHead, type FcosHeadOptions, type FcosRaw } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { BACKENDS, useBackend } from "./backends";
import { expectNoLeak, toTruth } from "./golden";

const make = (more: Partial<FcosHeadOptions> = {}) =>
  createFcosHead({
    inChannels: 2,
    numClasses: 3,
    channels: 2,
    stackedConvs: 0,
    groups: 1,
    strides: [8, 16],
    random: createRandom(1),
    ...more,
  });

function rawMaps(batch: number, seed = 1): FcosRaw {
  const map = (l: number, channels: number, part: number) =>
    tf.randomNormal<tf.Rank.R4>([batch, 8 >> l, 12 >> l, channels], 0, 1, "float32", seed + 10 * part + l);
  return {
    classes: [0, 1].map((l) => map(l, 3, 0)),
    distances: [0, 1].map((l) => tf.tidy(() => tf.mul(tf.exp(map(l, 4, 1)), 10) as tf.Tensor4D)),
    centerness: [0, 1].map((l) => map(l, 1, 2)),
    unit: "pixel",
  };
}

const TRUTHS = [
  toTruth(
    [
      [4, 4, 40, 50],
      [30, 10, 90, 60],
    ],
    [0, 2],
  ),
  toTruth([], []),
  toTruth([[10, 20, 33, 44]], [1]),
];

describe.each(BACKENDS)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("the loss of an FCOS head", () => {
    it("splits into the images' shares", () => {
      const head = make();
      tf.tidy(() => {
        const { perImage, terms } = head.loss(rawMaps(3), TRUTHS);
        const shares = perImage.dataSync<"float32">();
        expect(shares.length).toBe(3);
        const total = Object.values(terms).reduce((a, term) => a + term.dataSync()[0]!, 0);
        expect(shares.reduce((a, b) => a + b)).toBeCloseTo(total, 5);
        // Only background is learnt from the second image.
        const alone = head.loss(
          { ...rawMaps(3) },
          TRUTHS.map(() => toTruth([], [])),
        );
        expect(alone.terms.box!.dataSync()[0]).toBe(0);
        expect(alone.terms.centerness!.dataSync()[0]).toBe(0);
        expect(shares[0]).toBeGreaterThan(shares[1]!);
      });
      head.dispose();
    });

    it("weighs its terms", () => {
      tf.tidy(() => {
        const raw = rawMaps(3);
        const [plain, weighed] = [make(), make({ lossWeights: { box: 2, centerness: 0 } })];
        const [a, b] = [plain.loss(raw, TRUTHS).terms, weighed.loss(raw, TRUTHS).terms];
        expect(b.box!.dataSync()[0]).toBeCloseTo(2 * a.box!.dataSync()[0]!, 4);
        expect(b.centerness!.dataSync()[0]).toBe(0);
        expect(b.classification!.dataSync()[0]).toBe(a.classification!.dataSync()[0]);
        plain.dispose();
        weighed.dispose();
      });
    });

    it("divides the classification by positives and images, or by positives alone", () => {
      tf.tidy(() => {
        const raw = rawMaps(3);
        const none = TRUTHS.map(() => toTruth([], []));
        const [old, young] = [make(), make({ normaliser: "mmdet-2.28" })];
        const [a, b] = [old, young].map((head) => head.loss(raw, none).terms.classification!.dataSync()[0]!);
        expect(b).toBeCloseTo(3 * a!, 3);
        old.dispose();
        young.dispose();
      });
    });

    it("is NaN where a prediction is NaN", () => {
      const head = make();
      tf.tidy(() => {
        const raw = rawMaps(1);
        const nan = { ...raw, classes: raw.classes.map((map) => tf.fill(map.shape, Number.NaN) as tf.Tensor4D) };
        expect(head.loss(nan, TRUTHS.slice(0, 1)).perImage.dataSync()[0]).toBeNaN();
        const boxless = {
          ...raw,
          distances: raw.distances.map((map) => tf.fill(map.shape, Number.NaN) as tf.Tensor4D),
        };
        expect(head.loss(boxless, TRUTHS.slice(0, 1)).terms.box!.dataSync()[0]).toBeNaN();
      });
      head.dispose();
    });

    it("leaves no tensors behind", async () => {
      const head = make();
      const raw = rawMaps(3);
      for (const truths of [TRUTHS, TRUTHS.map(() => toTruth([], []))]) {
        await expectNoLeak(() => tf.dispose(head.loss(raw, truths) as unknown as tf.TensorContainer));
      }
      expect(() => head.loss(raw, [toTruth([[0, 0, 9, 9]], [7]), TRUTHS[1]!, TRUTHS[1]!])).toThrow(DatasetError);
      await expectNoLeak(() => expect(() => head.loss(raw, TRUTHS.slice(1))).toThrow(ShapeError));
      head.disposeRaw(raw);
      head.dispose();
    });

    it("refuses maps that do not fit each other or the head", () => {
      const head = make();
      tf.tidy(() => {
        const raw = rawMaps(3);
        expect(() => head.loss({ ...raw, centerness: raw.centerness.slice(1) }, TRUTHS)).toThrow(ShapeError);
        expect(() => head.loss({ ...raw, distances: raw.classes }, TRUTHS)).toThrow(/Level 0/);
      });
      head.dispose();
    });
  });
});
