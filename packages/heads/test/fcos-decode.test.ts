import { createRandom, ShapeError } from "@caddet/core";
import { createFcosHead, type FcosHeadOptions, type FcosRaw } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { backends, useBackend } from "#test/backends";
import { expectNoLeak } from "./golden";

const make = (more: Partial<FcosHeadOptions> = {}) =>
  createFcosHead({
    inChannels: 2,
    numClasses: 2,
    channels: 2,
    stackedConvs: 0,
    groups: 1,
    strides: [8],
    random: createRandom(1),
    ...more,
  });

// A map of 1 × 4 points at x = 4, 12, 20, 28 and y = 4, one image, two classes.
function rawMaps({
  classes = [0, -9, -9, 0, -9, -9, -9, -9],
  distances = new Array<number>(16).fill(2),
  centerness = [9, 9, 9, 9],
  unit = "pixel",
}: {
  classes?: number[];
  distances?: number[];
  centerness?: number[];
  unit?: FcosRaw["unit"];
} = {}): FcosRaw {
  return {
    classes: [tf.tensor4d(classes, [1, 1, 4, 2])],
    distances: [tf.tensor4d(distances, [1, 1, 4, 4])],
    centerness: [tf.tensor4d(centerness, [1, 1, 4, 1])],
    unit,
  };
}

async function decode(raw: FcosRaw, more: Partial<FcosHeadOptions> = {}, size = { height: 100, width: 100 }) {
  const head = make(more);
  const [detections] = await head.decode(raw, [size]);
  head.disposeRaw(raw);
  head.dispose();
  return detections!;
}

const logit = (p: number) => Math.log(p / (1 - p));

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe("decoding FCOS", () => {
    it("puts boxes around their points", async () => {
      const { boxes, scores, labels } = await decode(rawMaps());
      expect([...labels]).toEqual([0, 1]);
      expect([...boxes]).toEqual([2, 2, 6, 6, 10, 2, 14, 6]);
      expect(scores[0]).toBeCloseTo(0.5 / (1 + Math.exp(-9)), 6);
    });

    it("multiplies distances in strides", async () => {
      const { boxes } = await decode(rawMaps({ unit: "stride", distances: new Array<number>(16).fill(0.25) }));
      expect([...boxes.subarray(0, 4)]).toEqual([2, 2, 6, 6]);
    });

    it("cuts boxes to the image, then goes back to source pixels", async () => {
      const raw = rawMaps({ distances: new Array<number>(16).fill(50) });
      const size = { height: 40, width: 30, scaleX: 2, scaleY: 4 };
      const { boxes } = await decode(raw, {}, size);
      expect([...boxes.subarray(0, 4)]).toEqual([0, 0, 15, 10]);
    });

    it("tests the threshold strictly on the class score and reports it times centerness", async () => {
      const classes = [logit(0.06), -9, logit(0.0499), -9, -9, -9, -9, -9];
      const { scores } = await decode(rawMaps({ classes, centerness: [0, 0, 0, 0] }));
      expect(scores.length).toBe(1);
      expect(scores[0]).toBeCloseTo(0.03, 6);
      const half = { classes: [0, -9, -9, -9, -9, -9, -9, -9] };
      expect((await decode(rawMaps(half), { test: { scoreThreshold: 0.5 } })).scores.length).toBe(0);
      expect((await decode(rawMaps(half), { test: { scoreThreshold: 0 } })).scores.length).toBe(8);
      expect((await decode(rawMaps(half), { test: { scoreThreshold: 1 } })).scores.length).toBe(0);
    });

    it("cuts a level to nmsPre points, or pairs of point and class", async () => {
      const classes = [2, 1.9, 1, 0.9, 3, -9, -9, -9];
      const points = await decode(rawMaps({ classes }), { test: { nmsPre: 2 } });
      expect([...points.labels]).toEqual([0, 0, 1]);
      const pairs = await decode(rawMaps({ classes }), { test: { nmsPre: 2 }, normaliser: "mmdet-2.28" });
      expect([...pairs.labels]).toEqual([0, 0]);
      // By the product, the last point is better than the first; by the class score alone it is worse.
      const weighed = { classes: [3, -9, -9, -9, -9, -9, 2, -9], centerness: [-3, 0, 0, 3] };
      const [x1] = (await decode(rawMaps(weighed), { test: { nmsPre: 1 } })).boxes;
      expect(x1).toBe(26);
      const [y1] = (await decode(rawMaps(weighed), { test: { nmsPre: 1 }, normaliser: "mmdet-2.28" })).boxes;
      expect(y1).toBe(2);
    });

    it("takes of equal points the first when it cuts", async () => {
      const classes = [1, -9, 1, -9, 1, -9, 2, -9];
      const { boxes } = await decode(rawMaps({ classes }), { test: { nmsPre: 2 } });
      expect([boxes[0], boxes[4]]).toEqual([26, 2]);
    });

    it("keeps maxPerImage and suppresses within a class", async () => {
      const classes = [2, 1, 1.5, 1, 1, 1, 0.5, 1];
      const distances = new Array<number>(16).fill(90);
      const both = await decode(rawMaps({ classes, distances }));
      expect([...both.labels]).toEqual([0, 1]);
      expect((await decode(rawMaps({ classes }), { test: { maxPerImage: 3 } })).labels.length).toBe(3);
    });

    it("makes no detection of NaN", async () => {
      const { NaN: nan } = Number;
      expect((await decode(rawMaps({ classes: new Array<number>(8).fill(nan) }))).labels.length).toBe(0);
      expect((await decode(rawMaps({ centerness: [nan, 9, 9, 9] }))).labels.length).toBe(1);
      expect((await decode(rawMaps({ distances: new Array<number>(16).fill(nan) }))).labels.length).toBe(0);
      const classes = [nan, nan, 1, -9, 1, -9, 1, -9];
      const some = await decode(rawMaps({ classes, centerness: [9, nan, 9, 9] }), { test: { nmsPre: 2 } });
      expect(some.labels.length).toBe(2);
    });

    it("cuts an infinite distance to the image", async () => {
      const { boxes } = await decode(rawMaps({ distances: new Array<number>(16).fill(Number.POSITIVE_INFINITY) }));
      expect([...boxes.subarray(0, 4)]).toEqual([0, 0, 100, 100]);
    });

    it("reads once a batch and leaves no tensors behind", async () => {
      const head = make({ strides: [8, 16] });
      const map = (channels: number) => [
        tf.zeros<tf.Rank.R4>([3, 4, 4, channels]),
        tf.zeros<tf.Rank.R4>([3, 2, 2, channels]),
      ];
      const raw: FcosRaw = { classes: map(2), distances: map(4), centerness: map(1), unit: "pixel" };
      const read = vi.spyOn(tf.Tensor.prototype, "data");
      await expectNoLeak(() => head.decode(raw, new Array(3).fill({ height: 32, width: 32 })));
      expect(read).toHaveBeenCalledTimes(1);
      read.mockRestore();
      await expect(head.decode(raw, [{ height: 32, width: 32 }])).rejects.toThrow(ShapeError);
      head.disposeRaw(raw);
      head.dispose();
    });

    it("gives an image the same detections alone and in a batch", async () => {
      const head = make({ strides: [8, 16] });
      const sizes = [
        { height: 60, width: 90 },
        { height: 64, width: 96 },
      ];
      const map = (channels: number, l: number) =>
        tf.randomNormal<tf.Rank.R4>([2, 8 >> l, 12 >> l, channels], 0, 2, "float32", 7 + l + channels);
      const raw: FcosRaw = {
        classes: [map(2, 0), map(2, 1)],
        distances: [map(4, 0), map(4, 1)].map((x) => tf.tidy(() => tf.mul(tf.abs(x), 8) as tf.Tensor4D)),
        centerness: [map(1, 0), map(1, 1)],
        unit: "pixel",
      };
      const both = await head.decode(raw, sizes);
      for (const image of [0, 1]) {
        const only = (maps: readonly tf.Tensor4D[]) => maps.map((x) => tf.slice(x, [image, 0, 0, 0], [1, -1, -1, -1]));
        const alone: FcosRaw = {
          classes: only(raw.classes),
          distances: only(raw.distances),
          centerness: only(raw.centerness),
          unit: "pixel",
        };
        expect(both[image]!.labels.length).toBeGreaterThan(5);
        expect(await head.decode(alone, [sizes[image]!])).toEqual([both[image]]);
        head.disposeRaw(alone);
      }
      head.disposeRaw(raw);
      head.dispose();
    });
  });
});
