import { ConfigError, createRandom, DatasetError, readState, ShapeError } from "@caddet/core";
import { createRetinaHead, type RetinaHeadOptions, type RetinaRaw } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { expectNoLeak, numberOf, sumOf, toTruth } from "./golden";

const STRIDES = [8, 16];
const options = (more: Partial<RetinaHeadOptions> = {}): RetinaHeadOptions => ({
  inChannels: 6,
  numClasses: 3,
  channels: 8,
  stackedConvs: 2,
  strides: STRIDES,
  groups: 4,
  random: createRandom(3),
  ...more,
});
const pyramid = (batch = 2, channels = 6) => ({
  maps: STRIDES.map((s) => tf.randomNormal<tf.Rank.R4>([batch, 32 / s, 48 / s, channels], 0, 1, "float32", 5)),
  strides: STRIDES,
});
const TRUTHS = [toTruth([[2, 3, 30, 28]], [1]), toTruth([], [])];
const SIZES = [
  { height: 32, width: 48 },
  { height: 30, width: 40 },
];

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("createRetinaHead", () => {
    it("starts with class probability 0.01, and with the same weights for the same seed", async () => {
      const [a, b] = [createRetinaHead(options()), createRetinaHead(options({ random: createRandom(3) }))];
      const state = await readState(a);
      expect(state.get("classes.bias")!.data[26]).toBeCloseTo(-Math.log(99), 5);
      expect(state.get("deltas.weight")!.shape).toEqual([3, 3, 8, 36]);
      expect(await readState(b)).toEqual(state);
      a.dispose();
      b.dispose();
    });

    it.each<[string, Partial<RetinaHeadOptions>]>([
      ["numClasses", { numClasses: 0 }],
      ["scale", { anchors: { scalesPerOctave: 0 } }],
      ["ratios", { anchors: { ratios: [] } }],
      ["negativeIou", { assign: { negativeIou: 0.6 } }],
      ["flavour", { flavour: "mmdet-1" as "mmdet-2.3" }],
      ["nmsPre", { test: { nmsPre: 0 } }],
      ["nms", { test: { nms: "soft" as "hard" } }],
      ["boxLoss", { boxLoss: "l2" as "l1" }],
    ])("refuses %s that no head can be made of", (word, bad) => {
      expect(() => createRetinaHead(options(bad))).toThrow(ConfigError);
      expect(() => createRetinaHead(options(bad))).toThrow(new RegExp(word));
    });
  });

  describe.each<[string, Partial<RetinaHeadOptions>]>([
    ["defaults", {}],
    ["group norm", { norm: "group" }],
    ["separable towers and batch norm", { tower: "separable", norm: "batch" }],
    ["one class and one anchor", { numClasses: 1, anchors: { scalesPerOctave: 1, ratios: [1] } }],
    ["crowds ignored", { assign: { ignoreIof: 0.5 } }],
    ["one tower", { sharedTowers: true }],
    ["one separable tower and batch norm", { sharedTowers: true, tower: "separable", norm: "batch" }],
    ["no towers", { stackedConvs: 0 }],
    ["GIoU loss", { boxLoss: "giou" }],
    ["IoU loss", { boxLoss: "iou" }],
  ])("RetinaHead with %s", (_, more) => {
    const truths = more.numClasses === 1 ? [toTruth([[2, 3, 30, 28]], [0]), TRUTHS[1]!] : TRUTHS;

    it("predicts maps of the pyramid's sizes, loses and decodes, and leaves no tensors behind", async () => {
      const head = createRetinaHead(options(more));
      const features = pyramid();
      await expectNoLeak(async () => {
        const raw = head.forward(features, { training: true });
        const anchors = raw.deltas[0]!.shape[3] / 4;
        raw.classes.forEach((map, l) => {
          expect(map.shape).toEqual([2, 32 / STRIDES[l]!, 48 / STRIDES[l]!, anchors * head.numClasses]);
        });
        const { perImage, terms } = head.loss(raw, truths);
        const shares = await perImage.data<"float32">();
        expect(shares.reduce((a, b) => a + b)).toBeCloseTo(await sumOf(terms), 5);
        expect(Object.keys(terms)).toEqual(["classification", "box"]);
        expect((await head.decode(raw, SIZES)).length).toBe(2);
        tf.dispose([perImage, terms]);
        head.disposeRaw(raw);
      });
      tf.dispose(features.maps);
      head.dispose();
    });

    it.each([
      ["objects", truths],
      ["none", [toTruth([], []), toTruth([], [])]],
    ] as const)("gives every parameter a gradient with %s, and leaves no tensors behind", async (_name, objects) => {
      const head = createRetinaHead(options(more));
      const features = pyramid();
      await expectNoLeak(async () => {
        const { value, grads } = tf.variableGrads(() => {
          const raw = head.forward(features, { training: true });
          return tf.sum<tf.Scalar>(head.loss(raw, objects).perImage);
        });
        for (const { variable } of head.namedParameters().values()) {
          expect((await grads[variable.name]!.data()).every(Number.isFinite)).toBe(true);
        }
        tf.dispose([value, grads]);
      });
      tf.dispose(features.maps);
      head.dispose();
    });

    it("disposes all of its weights", async () => {
      await expectNoLeak(() => createRetinaHead(options(more)).dispose());
    });
  });

  describe("RetinaHead", () => {
    it("puts boxes on anchors", async () => {
      const head = createRetinaHead(
        options({ strides: [8], numClasses: 2, anchors: { baseScale: 1, scalesPerOctave: 1, ratios: [1] } }),
      );
      const raw: RetinaRaw = {
        classes: [tf.tensor4d([-9, 2, -9, -9], [1, 1, 2, 2])],
        deltas: [tf.tensor4d([0.5, 1, Math.log(2), 0, 0, 0, 0, 0], [1, 1, 2, 4])],
      };
      const [{ boxes, labels, scores }] = (await head.decode(raw, [{ height: 50, width: 50 }])) as [
        { boxes: Float32Array; labels: Int32Array; scores: Float32Array },
      ];
      expect([...labels]).toEqual([1]);
      // Centred at (4, 8), 16 wide and 8 high, cut to the image.
      [0, 4, 12, 12].forEach((v, k) => {
        expect(boxes[k]).toBeCloseTo(v, 4);
      });
      expect(scores[0]).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
      head.disposeRaw(raw);
      head.dispose();
    });

    it("makes no detection of NaN, and a NaN loss", async () => {
      const head = createRetinaHead(options());
      const nan = (channels: number) =>
        STRIDES.map((s) => tf.fill<tf.Rank.R4>([2, 32 / s, 48 / s, channels], Number.NaN));
      const raw: RetinaRaw = { classes: nan(27), deltas: nan(36) };
      expect((await head.decode(raw, SIZES)).map(({ labels }) => labels.length)).toEqual([0, 0]);
      const loss = head.loss(raw, TRUTHS);
      expect(await numberOf(loss.perImage)).toBeNaN();
      tf.dispose([loss.perImage, loss.terms]);
      head.disposeRaw(raw);
      head.dispose();
    });

    it("does not learn from anchors outside the padded image", async () => {
      const head = createRetinaHead(options());
      const [whole, part] = await valuesOf(() => {
        const raw = head.forward(pyramid(), { training: true });
        const none = TRUTHS.map(() => toTruth([], []));
        const padded = [SIZES[0]!, { height: 16, width: 48 }];
        return [head.loss(raw, none).perImage, head.loss(raw, none, padded).perImage];
      });
      expect(part![0]).toBe(whole![0]);
      expect(part![1]).toBeLessThan(0.6 * whole![1]!);
      head.dispose();
    });

    it("refuses maps, objects and sizes that do not match", async () => {
      const head = createRetinaHead(options());
      const features = pyramid();
      const raw = head.forward(features, { training: false });
      await expectNoLeak(async () => {
        expect(() => head.loss({ ...raw, deltas: raw.classes }, TRUTHS)).toThrow(/Level 0/);
        expect(() => head.loss({ ...raw, deltas: [] }, TRUTHS)).toThrow(ShapeError);
        expect(() => head.loss(raw, TRUTHS.slice(1))).toThrow(ShapeError);
        expect(() => head.loss(raw, TRUTHS, [])).toThrow(ShapeError);
        expect(() => head.loss(raw, [toTruth([[0, 0, 9, 9]], [5]), TRUTHS[1]!])).toThrow(DatasetError);
        await expect(head.decode(raw, [])).rejects.toThrow(ShapeError);
        expect(() => head.forward({ ...features, strides: [4, 8] }, { training: false })).toThrow(/strides/);
      });
      head.disposeRaw(raw);
      tf.dispose(features.maps);
      head.dispose();
    });
  });
});
