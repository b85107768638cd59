import { ConfigError, createRandom, readState, ShapeError } from "@caddet/core";
import { createFcosHead, type FcosHeadOptions } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { expectNoLeak, sumOf, toTruth } from "./golden";

const STRIDES = [8, 16];
const options = (more: Partial<FcosHeadOptions> = {}): FcosHeadOptions => ({
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

  describe("createFcosHead", () => {
    it("starts with class probability 0.01, factors 1 and convolutions of deviation 0.01", async () => {
      const head = createFcosHead({ ...options(), inChannels: 64, channels: 64 });
      const state = await readState(head);
      expect(state.get("classes.bias")!.data[0]).toBeCloseTo(-Math.log(99), 5);
      expect([...state.get("distances.bias")!.data]).toEqual([0, 0, 0, 0]);
      expect([...state.get("scales.1.value")!.data]).toEqual([1]);
      const weights = Array.from(state.get("boxTower.1.conv.weight")!.data, Number);
      const std = Math.sqrt(weights.reduce((a, w) => a + w * w, 0) / weights.length);
      expect(std).toBeGreaterThan(0.0097);
      expect(std).toBeLessThan(0.0103);
      head.dispose();
    });

    it("has the same weights for the same seed", async () => {
      const [a, b] = [createFcosHead(options()), createFcosHead(options({ random: createRandom(3) }))];
      expect(await readState(a)).toEqual(await readState(b));
      a.dispose();
      b.dispose();
    });

    it("marks weights, biases and norms", () => {
      const head = createFcosHead(options());
      const kinds = head.namedParameters();
      expect(kinds.get("classTower.0.conv.weight")!.kind).toBe("weight");
      expect(kinds.get("classTower.0.norm.bias")!.kind).toBe("norm");
      expect(kinds.get("classes.bias")!.kind).toBe("bias");
      expect(kinds.has("classTower.0.conv.bias")).toBe(false);
      head.dispose();
    });

    it.each<[string, Partial<FcosHeadOptions>]>([
      ["numClasses", { numClasses: 0 }],
      ["groups", { groups: 3 }],
      ["strides", { strides: [] }],
      ["ranges", { regressRanges: [[0, 1]] }],
      ["norm", { norm: "layer" as "group" }],
      ["tower", { tower: "thin" as "full" }],
      ["normaliser", { normaliser: "mmdet-1" as "mmdet-2.3" }],
      ["boxLoss", { boxLoss: "l2" as "iou" }],
      ["stackedConvs", { stackedConvs: -1 }],
      ["nms", { test: { nms: "soft" as "hard" } }],
      ["nmsIou", { test: { nmsIou: 1.5 } }],
      ["nmsSigma", { test: { nmsSigma: 0 } }],
      ["nmsMinScore", { test: { nmsMinScore: Number.NaN } }],
    ])("refuses %s that no head can be made of", (word, bad) => {
      expect(() => createFcosHead(options(bad))).toThrow(ConfigError);
      expect(() => createFcosHead(options(bad))).toThrow(new RegExp(word));
    });

    it("has one tower instead of two when it is shared", () => {
      const names = (sharedTowers: boolean) => {
        const head = createFcosHead(options({ sharedTowers, stackedConvs: 1 }));
        const towers = [...head.stateDict().keys()].filter((name) => name.includes("ower."));
        head.dispose();
        return towers;
      };
      const layer = ["0.conv.weight", "0.norm.weight", "0.norm.bias"];
      expect(names(true)).toEqual(layer.map((name) => `tower.${name}`));
      expect(names(false)).toEqual(
        ["classTower", "boxTower"].flatMap((tower) => layer.map((name) => `${tower}.${name}`)),
      );
    });

    it("updates the statistics of a shared batch norm once a step", async () => {
      const head = createFcosHead(options({ sharedTowers: true, norm: "batch", stackedConvs: 1, strides: [8] }));
      const map = tf.randomNormal<tf.Rank.R4>([1, 4, 6, 6], 0, 50, "float32", 3);
      const state = () => readState(head).then((read) => read.get("tower.0.norm.runningVariance")!.data[0]!);
      const start = Number(await state());
      head.disposeRaw(head.forward({ maps: [map], strides: [8] }, { training: true }));
      const once = Number(await state());
      head.disposeRaw(head.forward({ maps: [map], strides: [8] }, { training: true }));
      const twice = Number(await state());
      // Each step moves a tenth of the way to the same variance.
      expect((twice - once) / (once - start)).toBeCloseTo(0.9, 3);
      map.dispose();
      head.dispose();
    });

    it("takes default strides and ranges", () => {
      const head = createFcosHead({
        inChannels: 4,
        numClasses: 1,
        channels: 32,
        stackedConvs: 0,
        random: createRandom(0),
      });
      expect(head.settings.strides).toEqual([8, 16, 32, 64, 128]);
      expect(head.settings.regressRanges).toEqual([
        [-1, 64],
        [64, 128],
        [128, 256],
        [256, 512],
        [512, 1e8],
      ]);
      head.dispose();
    });
  });

  describe.each<[string, Partial<FcosHeadOptions>]>([
    ["defaults", {}],
    ["batch norm", { norm: "batch" }],
    ["no norm", { norm: "none" }],
    ["separable towers", { tower: "separable" }],
    ["one tower", { sharedTowers: true }],
    ["one separable tower without norm", { sharedTowers: true, tower: "separable", norm: "none" }],
    ["linear IoU loss", { boxLoss: "linear-iou" }],
    ["no towers", { stackedConvs: 0 }],
    ["one class", { numClasses: 1 }],
    ["every switch", { centerSampling: true, normOnBbox: true, centernessOnReg: true, boxLoss: "giou" }],
  ])("FcosHead with %s", (_, more) => {
    const truths = more.numClasses === 1 ? [toTruth([[2, 3, 30, 28]], [0]), TRUTHS[1]!] : TRUTHS;

    it("predicts maps of the pyramid's sizes, loses and decodes, and leaves no tensors behind", async () => {
      const head = createFcosHead(options(more));
      const features = pyramid();
      await expectNoLeak(async () => {
        const raw = head.forward(features, { training: true });
        for (const [l, map] of raw.classes.entries()) {
          expect(map.shape).toEqual([2, 32 / STRIDES[l]!, 48 / STRIDES[l]!, head.numClasses]);
          expect((await raw.distances[l]!.data()).every((d) => d >= 0)).toBe(true);
        }
        const { perImage, terms } = head.loss(raw, truths);
        const shares = await perImage.data<"float32">();
        expect(shares.reduce((a, b) => a + b)).toBeCloseTo(await sumOf(terms), 5);
        expect(Object.keys(terms)).toEqual(["classification", "box", "centerness"]);
        const detections = await head.decode(raw, SIZES);
        expect(detections.length).toBe(2);
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
      const head = createFcosHead(options(more));
      const features = pyramid();
      await expectNoLeak(async () => {
        const { value, grads } = tf.variableGrads(() => {
          const raw = head.forward(features, { training: true });
          return tf.sum<tf.Scalar>(head.loss(raw, objects).perImage);
        });
        for (const { variable } of head.namedParameters().values()) {
          expect(grads[variable.name]!.shape).toEqual(variable.shape);
          expect((await grads[variable.name]!.data()).every(Number.isFinite)).toBe(true);
        }
        tf.dispose([value, grads]);
      });
      tf.dispose(features.maps);
      head.dispose();
    });

    it("disposes all of its weights", async () => {
      await expectNoLeak(() => createFcosHead(options(more)).dispose());
    });
  });

  describe("FcosHead", () => {
    it("measures distances in strides only in training with normOnBbox, and loses the same either way", async () => {
      const head = createFcosHead(options({ normOnBbox: true }));
      const features = pyramid();
      const train = head.forward(features, { training: true });
      const test = head.forward(features, { training: false });
      expect([train.unit, test.unit]).toEqual(["stride", "pixel"]);
      const pixels = await valuesOf(() => train.distances.map((map, l) => tf.mul(map, STRIDES[l]!)));
      for (const [l, map] of test.distances.entries()) expect(await map.data()).toEqual(pixels[l]);
      const [a, b] = await valuesOf(() => [train, test].map((raw) => head.loss(raw, TRUTHS).perImage));
      expect(a![0]).toBeCloseTo(b![0]!, 4);
      tf.dispose(features.maps);
      head.disposeRaw(train);
      head.disposeRaw(test);
      head.dispose();
    });

    it("uses and updates running moments of a batch norm as asked", async () => {
      const head = createFcosHead(options({ norm: "batch" }));
      const features = pyramid();
      const before = await readState(head);
      head.disposeRaw(head.forward(features, { training: false }));
      expect(await readState(head)).toEqual(before);
      head.disposeRaw(head.forward(features, { training: true }));
      const after = await readState(head);
      expect(after.get("classTower.0.norm.runningVariance")).not.toEqual(
        before.get("classTower.0.norm.runningVariance"),
      );
      tf.dispose(features.maps);
      head.dispose();
    });

    it("treats the images of a batch one by one", async () => {
      const head = createFcosHead(options());
      const features = pyramid();
      const both = head.forward(features, { training: false });
      const second = {
        maps: features.maps.map((map) => tf.slice(map, [1, 0, 0, 0], [1, -1, -1, -1])),
        strides: STRIDES,
      };
      const alone = head.forward(second, { training: false });
      for (const [l, map] of alone.classes.entries()) {
        const wanted = (await both.classes[l]!.data()).slice(map.size);
        (await map.data()).forEach((v, i) => {
          expect(v).toBeCloseTo(wanted[i]!, 5);
        });
      }
      head.disposeRaw(both);
      head.disposeRaw(alone);
      tf.dispose([features.maps, second.maps]);
      head.dispose();
    });

    it("refuses another pyramid", () => {
      const head = createFcosHead(options());
      tf.tidy(() => {
        const features = pyramid();
        expect(() => head.forward(pyramid(2, 5), { training: false })).toThrow(ShapeError);
        expect(() => head.forward({ ...features, maps: features.maps.slice(1) }, { training: false })).toThrow(
          ShapeError,
        );
        expect(() => head.forward({ ...features, strides: [4, 8] }, { training: false })).toThrow(/strides/);
      });
      head.dispose();
    });
  });
});
