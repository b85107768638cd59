import { ConfigError, createRandom, Module, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { composeDetector } from "../src";
import { peakFactory, poolFactory } from "./fake-factories";
import { DoublingNeck, MeanBackbone, MeanHead } from "./fake-parts";

const size = { height: 16, width: 16 };
const routed = () => poolFactory.build(poolFactory.parse({ levels: 3 }), { random: createRandom(0) });
const peak = (strides: readonly number[], inChannels = 4) =>
  peakFactory.build(peakFactory.parse({}), { inChannels, strides, numClasses: 2, random: createRandom(1) });

describe.each(backends)("composeDetector on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("joins parts that others wrote: static backbone, neck, head", async () => {
    const before = tf.memory().numTensors;
    const backbone = new MeanBackbone();
    const neck = new DoublingNeck(backbone);
    const head = new MeanHead();
    const detector = composeDetector({ backbone, neck, head });
    const images = tf.tidy(
      () => tf.concat([tf.fill([1, 16, 16, 3], 0.1), tf.fill([1, 16, 16, 3], 0.4)]) as tf.Tensor4D,
    );
    const found = await detector.detect(images, [size, size]);
    expect(found.detections.map((d) => [d.scores[0], Array.from(d.boxes)])).toEqual([
      [expect.closeTo(0.2, 5), [0, 0, 16, 16]],
      [expect.closeTo(0.8, 5), [0, 0, 16, 16]],
    ]);
    expect(Object.keys(found)).toEqual(["detections"]);
    expect(head.seen).toEqual([[16]]);
    expect([...detector.namedParameters().keys()]).toEqual(["neck.factor"]);

    const output = detector.forward(images, { training: true });
    expect(Object.keys(output)).toEqual(["raw"]);
    expect(Array.from(await output.raw.data())).toEqual([expect.closeTo(0.2, 5), expect.closeTo(0.8, 5)]);
    tf.dispose([images, output.raw]);
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("owns its parts", () => {
    const before = tf.memory().numTensors;
    const backbone = routed();
    const detector = composeDetector({ backbone, neck: new DoublingNeck(backbone), head: peak([16, 32]) });
    expect(detector.stateDict().size).toBeGreaterThan(4);
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("puts a neck between a backbone that routes and a head", async () => {
    const backbone = routed();
    const detector = composeDetector({ backbone, neck: new DoublingNeck(backbone), head: peak([16, 32]) });
    const images = tf.randomNormal([1, 40, 56, 3], 0, 1, "float32", 3) as tf.Tensor4D;
    const before = tf.memory().numTensors;
    const { detections, gates, madds } = await detector.detect(images, [{ height: 40, width: 56 }]);
    expect(detections).toHaveLength(1);
    expect(gates).toHaveLength(3);
    expect(madds![0]).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(before);
    images.dispose();
    detector.dispose();
  });

  it("refuses a head whose settings do not fit what is in front of it, and leaves the parts alone", () => {
    const backbone = new MeanBackbone();
    const compose = (head: MeanHead, neck?: DoublingNeck) => () =>
      composeDetector({ backbone, head, ...(neck ? { neck } : {}) });
    expect(compose(new MeanHead({ strides: [8, 16], inChannels: 1 }))).not.toThrow();
    expect(compose(new MeanHead({ strides: [8] }))).toThrow(
      "The head takes 1 channels at strides [8], the backbone gives 1 channels at strides [8,16]; make them equal.",
    );
    expect(compose(new MeanHead({ inChannels: 7 }))).toThrow(/takes 7 channels at strides \[8,16\]/);
    expect(compose(new MeanHead({ strides: [8, 16] }), new DoublingNeck(backbone))).toThrow(/the neck gives/);
    const three = routed();
    const [narrow, short] = [peak(three.strides, 8), peak([8, 16])];
    for (const head of [narrow, short]) expect(() => composeDetector({ backbone: three, head })).toThrow(ConfigError);
    for (const part of [three, narrow, short]) {
      expect([...part.stateDict().values()].map((v) => v.isDisposed)).not.toContain(true);
      part.dispose();
    }
  });

  it.each([{ strides: [] }, { strides: [16, 8] }, { strides: [8, 8] }, { channels: 0 }, { channels: 1.5 }])(
    "refuses a backbone with %j",
    (wrong) => {
      expect(() => composeDetector({ backbone: new MeanBackbone(wrong), head: new MeanHead() })).toThrow(
        /The backbone should have ascending strides and a positive number of channels/,
      );
    },
  );
});

describe.each(backends)("Detector on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("frees what it made when the head refuses the features or cannot decode", async () => {
    const images = tf.zeros([1, 16, 16, 3]) as tf.Tensor4D;
    const backbone = routed();
    class Refusing extends MeanHead {
      override forward(): tf.Tensor1D {
        throw new ShapeError("not these");
      }
    }
    class Failing extends MeanHead {
      override async decode(): Promise<never> {
        throw new ShapeError("not these");
      }
    }
    for (const head of [new Refusing(), new Failing()]) {
      const detector = composeDetector({ backbone, head });
      const before = tf.memory().numTensors;
      await expect(detector.detect(images, [size])).rejects.toThrow("not these");
      expect(tf.memory().numTensors).toBe(before);
    }
    tf.dispose(images);
    backbone.dispose();
  });

  it("frees the gates of a backbone that routes but cannot skip", async () => {
    class Gated extends MeanBackbone {
      override forward(images: tf.Tensor4D) {
        const gates = { values: tf.ones([images.shape[0], 1]) as tf.Tensor2D, nodeOfPath: [0] };
        return { ...super.forward(images), gates };
      }
    }
    const detector = composeDetector({ backbone: new Gated(), head: new MeanHead() });
    const images = tf.zeros([1, 16, 16, 3]) as tf.Tensor4D;
    const before = tf.memory().numTensors;
    await detector.detect(images, [size]);
    expect(tf.memory().numTensors).toBe(before);
    const { gates, raw } = detector.forward(images, { training: true });
    expect(gates!.values.shape).toEqual([1, 1]);
    tf.dispose([images, raw, gates!.values]);
  });

  it("needs one size an image", async () => {
    const detector = composeDetector({ backbone: new MeanBackbone(), head: new MeanHead() });
    const images = tf.zeros([2, 16, 16, 3]) as tf.Tensor4D;
    await expect(detector.detect(images, [size])).rejects.toThrow(
      "Got 2 images and 1 sizes; each image needs its own.",
    );
    images.dispose();
  });

  it("is a Module with its parts' names", () => {
    const backbone = routed();
    const detector = composeDetector({ backbone, head: peak(backbone.strides) });
    expect(detector).toBeInstanceOf(Module);
    expect(new Set([...detector.stateDict().keys()].map((name) => name.split(".")[0]))).toEqual(
      new Set(["backbone", "head"]),
    );
    detector.dispose();
  });
});
