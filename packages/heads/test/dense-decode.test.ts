// Where levels are cut to their best points must not matter: on the device and on the CPU the same candidates are chosen.
import { createRandom, type ImageSize } from "@caddet/core";
import { createFcosHead, createRetinaHead, type FcosRaw, type MmdetFlavour, type RetinaRaw } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { backends, useBackend } from "#test/backends";
import { cutPlaceOf } from "../src/dense-decode";
import { decodeFcos } from "../src/fcos-decode";
import { decodeRetina } from "../src/retina-decode";
import { expectNoLeak } from "./golden";

const STRIDES = [8, 16];
const SIZES: ImageSize[] = [
  { height: 64, width: 96 },
  { height: 60, width: 90, scaleX: 2, scaleY: 2 },
];
const common = { inChannels: 2, channels: 2, stackedConvs: 0, groups: 1, strides: STRIDES, random: createRandom(1) };
const maps = (channels: number, seed: number, deviation = 2, step = 0) =>
  STRIDES.map((stride, l) =>
    tf.tidy(() => {
      const shape: [number, number, number, number] = [2, 64 / stride, 96 / stride, channels];
      const map = tf.randomNormal<tf.Rank.R4>(shape, -1, deviation, "float32", seed + l);
      return step > 0 ? (tf.mul(tf.round(tf.div(map, step)), step) as tf.Tensor4D) : map;
    }),
  );

// Logits in coarse steps, so that many points are equally good.
const fcosRaw = (step = 0): FcosRaw => ({
  classes: maps(3, 10, 2, step),
  distances: maps(4, 20).map((map) => tf.tidy(() => tf.mul(tf.abs(map), 9) as tf.Tensor4D)),
  centerness: maps(1, 30, 1, step),
  unit: "pixel",
});
const retinaRaw = (step = 0): RetinaRaw => ({ classes: maps(27, 40, 2, step), deltas: maps(36, 50, 0.3) });

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each<MmdetFlavour>(["mmdet-2.3", "mmdet-2.28"])("as %s", (flavour) => {
    it.each([
      [0, 7],
      [1, 7],
      [1, 24],
      [0, 1000],
    ])("gives the same on the device and on the CPU, logits in steps of %f, nmsPre %i", async (step, nmsPre) => {
      const test = { nmsPre, scoreThreshold: 0.1, nmsIou: 0.7, maxPerImage: 200 };
      const fcos = createFcosHead({ ...common, numClasses: 3, normaliser: flavour, test });
      const retina = createRetinaHead({ ...common, numClasses: 3, flavour, test });
      const [forFcos, forRetina] = [fcosRaw(step), retinaRaw(step)];
      const read = vi.spyOn(tf.Tensor.prototype, "data");
      const readSync = vi.spyOn(tf.Tensor.prototype, "dataSync");
      await expectNoLeak(async () => {
        const host = await decodeFcos(forFcos, SIZES, fcos.settings, "host");
        expect(host.every(({ labels }) => labels.length > 4)).toBe(true);
        expect(await decodeFcos(forFcos, SIZES, fcos.settings, "device")).toEqual(host);
        expect(await fcos.decode(forFcos, SIZES)).toEqual(host);
        const anchors = await decodeRetina(forRetina, SIZES, retina.settings, "host");
        expect(anchors.every(({ labels }) => labels.length > 4)).toBe(true);
        expect(await decodeRetina(forRetina, SIZES, retina.settings, "device")).toEqual(anchors);
      });
      expect(read).toHaveBeenCalledTimes(5);
      expect(readSync).not.toHaveBeenCalled();
      read.mockRestore();
      readSync.mockRestore();
      fcos.disposeRaw(forFcos);
      retina.disposeRaw(forRetina);
      fcos.dispose();
      retina.dispose();
    });
  });

  it("reads nmsPre points a level, not whole maps", async () => {
    const fcos = createFcosHead({ ...common, numClasses: 3, test: { nmsPre: 10 } });
    const raw = fcosRaw();
    const sizes: number[] = [];
    const read = vi.spyOn(tf.Tensor.prototype, "data").mockImplementation(async function (this: tf.Tensor) {
      sizes.push(this.size);
      return new Float32Array(this.size);
    } as never);
    await decodeFcos(raw, SIZES, fcos.settings, "device");
    read.mockRestore();
    // Two images, two levels, ten points, of each three classes, four distances, centerness and number.
    expect(sizes).toEqual([2 * 2 * 10 * (3 + 4 + 1 + 1)]);
    fcos.disposeRaw(raw);
    fcos.dispose();
  });

  it("passes a failed read on and leaves no tensors behind", async () => {
    const fcos = createFcosHead({ ...common, numClasses: 3 });
    const raw = fcosRaw();
    const read = vi.spyOn(tf.Tensor.prototype, "data").mockRejectedValue(new Error("device lost"));
    await expectNoLeak(() => expect(fcos.decode(raw, SIZES)).rejects.toThrow("device lost"));
    read.mockRestore();
    await expectNoLeak(async () => {
      await expect(fcos.decode(raw, SIZES.slice(1))).rejects.toThrow(/size of each of the 2 images, got 1/);
    });
    fcos.disposeRaw(raw);
    await expectNoLeak(() => expect(fcos.decode(raw, SIZES)).rejects.toThrow(/maps were disposed/));
    fcos.dispose();
  });

  it.each(["soft-linear", "soft-gaussian"] as const)("suppresses softly as %s", async (nms) => {
    const settings = { ...common, strides: [8], numClasses: 2 };
    // Boxes of 20×20 pixels around points 8 pixels apart, of classes 0 and 1 in turn.
    const raw: FcosRaw = {
      classes: [tf.tensor4d([2, -9, -9, 1.5, 1, -9], [1, 1, 3, 2])],
      distances: [tf.fill<tf.Rank.R4>([1, 1, 3, 4], 10)],
      centerness: [tf.fill<tf.Rank.R4>([1, 1, 3, 1], 30)],
      unit: "pixel",
    };
    const size = [{ height: 100, width: 100 }];
    const decode = async (classAgnostic: boolean) => {
      const head = createFcosHead({ ...settings, test: { nms, nmsIou: 0.1, classAgnostic } });
      const [detections] = await head.decode(raw, size);
      head.dispose();
      return detections!;
    };
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    // Cut to the image they reach from 0 to 14, 2 to 22 and 10 to 30 across.
    const iou = (shared: number, both: number) => shared / (both - shared);
    const factor = (overlap: number) => {
      if (nms === "soft-gaussian") return Math.exp((-overlap * overlap) / 0.5);
      return overlap > 0.1 ? 1 - overlap : 1;
    };
    const byClass = await decode(false);
    expect([...byClass.labels]).toEqual([0, 1, 0]);
    [sigmoid(2), sigmoid(1.5), sigmoid(1) * factor(iou(4, 34))].forEach((score, i) => {
      expect(byClass.scores[i]).toBeCloseTo(score, 5);
    });
    const across = await decode(true);
    // The middle box overlaps the best one so much that it comes last.
    expect([...across.labels]).toEqual([0, 0, 1]);
    const last = sigmoid(1.5) * factor(iou(12, 34)) * factor(iou(12, 40));
    [sigmoid(2), sigmoid(1) * factor(iou(4, 34)), last].forEach((score, i) => {
      expect(across.scores[i]).toBeCloseTo(score, 5);
    });
    tf.dispose([raw.classes, raw.distances, raw.centerness].flat());
  });
});

it("cuts on the device where that is faster and needs no second read", () => {
  const kernelFunc = () => [];
  for (const backendName of ["webgl", "some-device"])
    tf.registerKernel({ kernelName: "TopK", backendName, kernelFunc });
  expect(["cpu", "wasm", "some-device", "without-kernel", "webgl"].map((name) => cutPlaceOf(name))).toEqual([
    "host",
    "device",
    "device",
    "host",
    "host",
  ]);
  for (const backendName of ["webgl", "some-device"]) tf.unregisterKernel("TopK", backendName);
});
