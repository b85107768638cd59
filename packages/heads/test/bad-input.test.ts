// Input at the edge of what makes sense, or beyond: both heads give a defined result or an error that says what is wrong, and no tensor is
// left behind either way.
import { createRandom, DatasetError, type GroundTruth, type HeadLoss, ShapeError } from "@caddet/core";
import { createFcosHead, createRetinaHead } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { expectNoLeak, numberOf, toTruth } from "./golden";

const STRIDES = [8, 16];
const NONE = toTruth([], []);

type Make = typeof makeFcos;

interface Shape {
  readonly numClasses?: number;
  readonly batch?: number;
  readonly height?: number;
  readonly width?: number;
}

const options = (numClasses: number) => ({
  inChannels: 3,
  channels: 4,
  stackedConvs: 1,
  groups: 2,
  strides: STRIDES,
  numClasses,
  random: createRandom(1),
  test: { scoreThreshold: 0.005 },
});

function makeFcos(numClasses: number) {
  const head = createFcosHead(options(numClasses));
  return { head, forward: head.forward.bind(head), run: runner(head) };
}

function makeRetina(numClasses: number) {
  const head = createRetinaHead(options(numClasses));
  return { head, forward: head.forward.bind(head), run: runner(head) };
}

// Forward, loss with gradients, and boxes of one batch; the numbers that came out.
function runner<Raw>(head: {
  forward(features: { maps: tf.Tensor4D[]; strides: number[] }, options: { training: boolean }): Raw;
  loss(raw: Raw, truths: readonly GroundTruth[]): HeadLoss;
  decode(raw: Raw, sizes: readonly { height: number; width: number }[]): Promise<{ scores: Float32Array }[]>;
  disposeRaw(raw: Raw): void;
}) {
  return async (truths: readonly GroundTruth[], { height = 32, width = 48, batch = truths.length, fill = 0.5 }) => {
    const features = {
      strides: STRIDES,
      maps: STRIDES.map((s) =>
        tf.fill<tf.Rank.R4>([batch, Math.ceil(height / s), Math.ceil(width / s), 3], fill, "float32"),
      ),
    };
    const raw = head.forward(features, { training: false });
    try {
      // Before gradients are asked for: TensorFlow.js keeps what a function computed that throws under tf.variableGrads.
      const { perImage, terms } = head.loss(raw, truths);
      const shares = [...(await perImage.data())];
      tf.dispose([perImage, terms]);
      const { value, grads } = tf.variableGrads(() => {
        const own = head.forward(features, { training: true });
        return tf.sum<tf.Scalar>(head.loss(own, truths).perImage);
      });
      const gradients = await Promise.all(Object.values(grads).map((g) => g.data()));
      const loss = await numberOf(value);
      tf.dispose([value, grads]);
      const detections = await head.decode(raw, Array(batch).fill({ height, width }));
      return { loss, shares, finite: gradients.every((g) => g.every(Number.isFinite)), detections };
    } finally {
      head.disposeRaw(raw);
      tf.dispose(features.maps);
    }
  };
}

const heads: [string, Make][] = [
  ["FCOS", makeFcos],
  ["RetinaNet", makeRetina as unknown as Make],
];

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each(heads)("%s", (_, make) => {
    const whole = toTruth([[4, 4, 28, 28]], [0]);

    it.each<[string, readonly GroundTruth[], Shape]>([
      ["no objects in any image", [NONE, NONE], {}],
      ["no objects in one image", [whole, NONE], {}],
      ["boxes of no size", [toTruth([[5, 5, 5, 5]], [0]), toTruth([[5, 5, 20, 5]], [0])], {}],
      ["a box inside out", [toTruth([[30, 30, 5, 5]], [0])], {}],
      ["a box outside of the image", [toTruth([[900, 900, 950, 950]], [0])], {}],
      ["a box at negative coordinates", [toTruth([[-90, -90, -50, -50]], [0])], {}],
      ["a box far larger than the image", [toTruth([[-1e4, -1e4, 1e4, 1e4]], [0])], {}],
      ["a box of a thousandth of a pixel", [toTruth([[12, 12, 12.001, 12.001]], [0])], {}],
      ["many equal boxes", [toTruth(Array(40).fill([4, 4, 28, 28]), Array(40).fill(0))], {}],
      ["crowds alone", [{ ...whole, crowd: Uint8Array.of(1) }], {}],
      ["64 images", Array(64).fill(whole), {}],
      ["one class", [whole], { numClasses: 1 }],
      ["1,000 classes", [toTruth([[4, 4, 28, 28]], [999])], { numClasses: 1000 }],
      ["maps of one cell", [whole], { height: 8, width: 8 }],
      ["maps of one row", [whole], { height: 8, width: 200 }],
    ])("has a finite loss, gradients and detections with %s", async (_name, truths, { numClasses = 3, ...size }) => {
      const { head, run } = make(numClasses);
      await expectNoLeak(async () => {
        const { loss, shares, finite, detections } = await run(truths, size);
        expect(loss).toBeGreaterThan(0);
        expect(loss).toBeLessThan(1e6);
        expect(shares.length).toBe(truths.length);
        expect(shares.every((share) => share > 0)).toBe(true);
        expect(finite).toBe(true);
        expect(detections.length).toBe(truths.length);
        expect(detections[0]!.scores.length).toBeGreaterThan(0);
        expect(detections.every(({ scores }) => scores.every((s) => s > 0 && s <= 1))).toBe(true);
      });
      head.dispose();
    });

    it("does not learn from a box of no size", async () => {
      const { head, run } = make(3);
      const [empty, none] = [await run([toTruth([[5, 5, 5, 20]], [1])], {}), await run([NONE], {})];
      expect(empty.loss).toBe(none.loss);
      head.dispose();
    });

    it("gives each of 64 images the share that it has alone, but for the divisor", async () => {
      const { head, run } = make(3);
      const one = await run([whole], {});
      const many = await run(Array(64).fill(whole), {});
      for (const share of many.shares) expect(share * 64).toBeCloseTo(one.loss, 3);
      expect(many.detections.every((found) => found.scores.length === one.detections[0]!.scores.length)).toBe(true);
      head.dispose();
    });

    it("has a loss of NaN and no detections where features are NaN", async () => {
      const { head, run } = make(3);
      await expectNoLeak(async () => {
        const { loss, detections } = await run([whole, NONE], { fill: Number.NaN });
        expect(loss).toBeNaN();
        expect(detections.map(({ scores }) => scores.length)).toEqual([0, 0]);
      });
      head.dispose();
    });

    it.each<[string, GroundTruth, typeof DatasetError | typeof ShapeError, RegExp]>([
      ["a label too high", toTruth([[0, 0, 9, 9]], [3]), DatasetError, /label 3; labels lie in 0\.\.2/],
      ["a negative label", toTruth([[0, 0, 9, 9]], [-1]), DatasetError, /label -1/],
      ["a coordinate that is NaN", toTruth([[0, Number.NaN, 9, 9]], [0]), DatasetError, /must be finite/],
      ["an infinite coordinate", toTruth([[0, 0, Infinity, 9]], [0]), DatasetError, /must be finite/],
      ["a box without label", toTruth([[0, 0, 9, 9]], []), ShapeError, /0 labels, 4 box coordinates/],
    ])("refuses %s", async (_name, truth, kind, message) => {
      const { head, run } = make(3);
      await expectNoLeak(async () => {
        await expect(run([truth], {})).rejects.toThrow(message);
        await expect(run([NONE, truth], {})).rejects.toThrow(kind);
      });
      head.dispose();
    });

    it("refuses objects of more or fewer images than there are", async () => {
      const { head, run } = make(3);
      await expectNoLeak(async () => {
        await expect(run([whole], { batch: 2 })).rejects.toThrow(ShapeError);
        await expect(run([whole, NONE], { batch: 1 })).rejects.toThrow(ShapeError);
      });
      head.dispose();
    });

    it("refuses maps of other channels and another number of levels", async () => {
      const { head, forward } = make(3);
      const map = tf.zeros<tf.Rank.R4>([1, 4, 6, 5]);
      await expectNoLeak(() => {
        expect(() => forward({ maps: [map, map], strides: STRIDES }, { training: false })).toThrow(
          /2 maps of 3 channels/,
        );
        expect(() => forward({ maps: [], strides: [] }, { training: false })).toThrow(ShapeError);
      });
      map.dispose();
      head.dispose();
    });
  });
});
