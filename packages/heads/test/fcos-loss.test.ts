import { createRandom, DatasetError, ShapeError } from "@caddet/core";
import { createFcosHead, type FcosHeadOptions, type FcosRaw } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { expectNoLeak, numberOf, sumOf, toTruth } from "./golden";

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

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("the loss of an FCOS head", () => {
    it("splits into the images' shares", async () => {
      const head = make();
      const raw = rawMaps(3);
      const { perImage, terms } = head.loss(raw, TRUTHS);
      const shares = await perImage.data<"float32">();
      expect(shares.length).toBe(3);
      expect(shares.reduce((a, b) => a + b)).toBeCloseTo(await sumOf(terms), 5);
      // Only background is learnt from the second image.
      const none = TRUTHS.map(() => toTruth([], []));
      const alone = head.loss(raw, none);
      expect(await numberOf(alone.terms.box!)).toBe(0);
      expect(await numberOf(alone.terms.centerness!)).toBe(0);
      expect(shares[0]).toBeGreaterThan(shares[1]!);
      tf.dispose([perImage, terms, alone.perImage, alone.terms]);
      head.disposeRaw(raw);
      head.dispose();
    });

    it("weighs its terms", async () => {
      const [plain, weighed] = [make(), make({ lossWeights: { box: 2, centerness: 0 } })];
      const raw = rawMaps(3);
      const [a, b] = [plain.loss(raw, TRUTHS), weighed.loss(raw, TRUTHS)];
      expect(await numberOf(b.terms.box!)).toBeCloseTo(2 * (await numberOf(a.terms.box!)), 4);
      expect(await numberOf(b.terms.centerness!)).toBe(0);
      expect(await numberOf(b.terms.classification!)).toBe(await numberOf(a.terms.classification!));
      tf.dispose([a.perImage, a.terms, b.perImage, b.terms]);
      plain.disposeRaw(raw);
      plain.dispose();
      weighed.dispose();
    });

    it("divides the classification by positives and images, or by positives alone", async () => {
      const none = TRUTHS.map(() => toTruth([], []));
      const [old, young] = [make(), make({ normaliser: "mmdet-2.28" })];
      const [a, b] = await valuesOf(() => {
        const raw = rawMaps(3);
        return [old, young].map((head) => head.loss(raw, none).terms.classification!);
      });
      expect(b![0]).toBeCloseTo(3 * a![0]!, 3);
      old.dispose();
      young.dispose();
    });

    it("is NaN where a prediction is NaN", async () => {
      const head = make();
      const [loss, box] = await valuesOf(() => {
        const raw = rawMaps(1);
        const nan = { ...raw, classes: raw.classes.map((map) => tf.fill(map.shape, Number.NaN) as tf.Tensor4D) };
        const boxless = {
          ...raw,
          distances: raw.distances.map((map) => tf.fill(map.shape, Number.NaN) as tf.Tensor4D),
        };
        const truths = TRUTHS.slice(0, 1);
        return [head.loss(nan, truths).perImage, head.loss(boxless, truths).terms.box!];
      });
      expect(loss![0]).toBeNaN();
      expect(box![0]).toBeNaN();
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
