import { CaddetError, ConfigError, ShapeError } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createInferencer, type InferencerOptions } from "../src";
import { openImage } from "../src/node";
import { brightBoxDetector, CLASSES, FreezableGlassBackbone, picture } from "./bright-box";

const SIZE = { shorter: 64, longer: 96 };

describe.each(backends)("createInferencer on %s", (backend) => {
  let detector: Detector;
  beforeAll(async () => {
    await useBackend(backend);
    detector = brightBoxDetector("static");
  });
  afterAll(() => detector.dispose());

  const inferencer = (options: Partial<InferencerOptions & { readonly detector: Detector }> = {}) =>
    createInferencer({ detector, classes: CLASSES, size: SIZE, ...options } as InferencerOptions);
  const pngOf = ({ data, height, width }: { data: Uint8Array; height: number; width: number }) =>
    sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();

  it.each([
    { name: "that is made smaller", height: 80, width: 120, box: [30, 20, 90, 60] },
    { name: "that is made larger", height: 32, width: 40, box: [8, 4, 24, 28] },
    { name: "of the input's size", height: 64, width: 96, box: [10, 20, 90, 60] },
    { name: "that stands", height: 240, width: 100, box: [20, 100, 80, 200] },
  ])("finds boxes in source pixels in an image $name, from pixels and from a file alike", async (shape) => {
    const image = picture(shape.height, shape.width, shape.box);
    const fromPixels = await inferencer().detect(image);
    const fromFile = await inferencer().detect(await openImage(await pngOf(image)));
    // One pixel of the input, in source pixels: an edge may fall into either of two.
    const tolerance = Math.max(1, shape.height / fromPixels.input.height, shape.width / fromPixels.input.width) + 0.5;
    for (const { objects, source } of [fromPixels, fromFile]) {
      expect(source).toEqual({ height: shape.height, width: shape.width });
      expect(objects[0]).toMatchObject({ label: "bright", categoryId: 20 });
      objects[0]!.box.forEach((v, i) => {
        expect(Math.abs(v - shape.box[i]!)).toBeLessThanOrEqual(tolerance);
      });
    }
    expect(fromFile.input).toEqual(fromPixels.input);
    fromFile.objects[0]!.box.forEach((v, i) => {
      expect(Math.abs(v - fromPixels.objects[0]!.box[i]!)).toBeLessThanOrEqual(tolerance);
    });
  });

  it("gives the very same for pixels and file where nothing is resized", async () => {
    const image = picture(64, 96, [11, 21, 77, 50]);
    const { ms: _, ...fromPixels } = await inferencer().detect(image);
    const { ms: __, ...fromFile } = await inferencer().detect(await openImage(await pngOf(image)));
    expect(fromPixels.objects[0]!.box).toEqual([11, 21, 77, 50]);
    expect(fromFile).toEqual(fromPixels);
  });

  it("pads to a multiple, which no box notices", async () => {
    const image = picture(50, 70, [11, 21, 60, 40]);
    const exact = { size: { shorter: 50, longer: 70 } };
    const padded = await inferencer(exact).detect(image);
    expect(padded.input).toEqual({ height: 64, width: 128 });
    const unpadded = await inferencer({ ...exact, padTo: 1 }).detect(image);
    expect(unpadded.input).toEqual({ height: 50, width: 70 });
    expect(padded.objects).toEqual(unpadded.objects);
    expect(padded.objects[0]!.box).toEqual([11, 21, 60, 40]);
  });

  it("keeps what reaches the threshold, best first, and no more than asked for", async () => {
    const image = picture(64, 96, [10, 20, 90, 60]);
    const scores = async (options?: Parameters<ReturnType<typeof inferencer>["detect"]>[1]) =>
      (await inferencer().detect(image, options)).objects.map(({ score }) => Number(score.toFixed(3)));
    expect(await scores()).toEqual([0.9, 0.5]);
    expect(await scores({ threshold: 0 })).toEqual([0.9, 0.5, 0.2]);
    expect(await scores({ threshold: 0.5 })).toEqual([0.9, 0.5]);
    expect(await scores({ threshold: 0.95 })).toEqual([]);
    expect(await scores({ threshold: 0, maxDetections: 2 })).toEqual([0.9, 0.5]);
    expect(await scores({ maxDetections: 0 })).toEqual([]);
  });

  it("tells what a route cost, and nothing of a static backbone's", async () => {
    const routed = brightBoxDetector("routed");
    const image = picture(64, 96, [10, 20, 90, 60]);
    const withRoutes = await inferencer({ detector: routed }).detect(image);
    routed.dispose();
    expect(withRoutes.madds).toBe(64 * 128);
    expect([...withRoutes.gates!]).toEqual([0.75, 0]);
    expect(withRoutes.openPaths).toBe(1);
    const without = await inferencer().detect(image);
    expect(without).not.toHaveProperty("madds");
    expect(without).not.toHaveProperty("gates");
    expect(without).not.toHaveProperty("openPaths");
    expect(without.ms).toBeGreaterThan(0);
    expect(without.objects).toEqual(withRoutes.objects);
  });

  it("keeps no tensor, not over twenty images nor after a failure", async () => {
    const sizes = [
      [80, 120],
      [32, 40],
    ] as const;
    const images = sizes.map(([height, width]) => picture(height, width, [4, 4, 20, 20]));
    const file = await openImage(await pngOf(images[0]!));
    const before = tf.memory().numTensors;
    for (let i = 0; i < 20; i++) await inferencer().detect(i % 3 === 2 ? file : images[i % 2]!);
    expect(() => inferencer({ classes: CLASSES.slice(0, 1) })).toThrow(ConfigError);
    const broken = { height: 80, width: 120, render: () => Promise.reject(new Error("gone")) };
    await expect(inferencer().detect(broken)).rejects.toThrow("gone");
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    [
      { height: 4, width: 5, data: new Uint8Array(70) },
      "An image of 4 x 5 pixels needs 60 bytes of RGB or 80 of RGBA, got 70.",
    ],
    [{ height: 0, width: 5, data: new Uint8Array(0) }, "got 0 x 5 pixels"],
    [{ height: Number.NaN, width: 5, data: new Uint8Array(0) }, "got NaN x 5 pixels"],
    [{ height: 64, width: 96, render: async () => new Uint8Array(64 * 96 * 4) }, "gave 24576 bytes for 64 x 96 pixels"],
  ])("refuses pixels that do not fit the size: %j", async (image, message) => {
    await expect(inferencer().detect(image)).rejects.toThrow(message);
    await expect(inferencer().detect(image)).rejects.toThrow(ShapeError);
  });

  it.each([
    [{ threshold: 1.5 }, "threshold is a score from 0 to 1, got 1.5."],
    [{ threshold: Number.NaN }, "threshold is a score"],
    [{ maxDetections: -1 }, "maxDetections is an integer from 0, got -1."],
    [{ maxDetections: 2.5 }, "maxDetections is an integer"],
  ])("refuses the options %j", async (options, message) => {
    const image = picture(64, 96, [10, 20, 90, 60]);
    await expect(inferencer().detect(image, options)).rejects.toThrow(message);
    await expect(inferencer().detect(image, options)).rejects.toThrow(ConfigError);
  });

  it("says that the class table is another one's, before an image comes", () => {
    expect(() => inferencer({ classes: CLASSES.slice(0, 1) })).toThrow(
      "The detector has 2 classes, the class table 1. Pass the table that it was trained with.",
    );
  });

  describe("with a backbone that freezes", () => {
    const image = picture(64, 96, [11, 21, 77, 50]);
    const around = (freeze: boolean) => {
      const backbone = new FreezableGlassBackbone();
      const own = brightBoxDetector(backbone);
      return { backbone, own, freezing: inferencer({ detector: own, freeze }) };
    };

    it("gives the same of the frozen form, and does not freeze where told not to", async () => {
      const [cold, warm] = [around(true), around(false)];
      const { ms: _, ...frozen } = await cold.freezing.detect(image);
      const { ms: __, ...plain } = await warm.freezing.detect(image);
      expect(frozen).toEqual(plain);
      expect([cold.backbone.frozen.length, warm.backbone.frozen.length]).toEqual([1, 0]);
      for (const { freezing, own } of [cold, warm]) {
        await freezing.close();
        own.dispose();
      }
    });

    it("frees the frozen form and not the detector, once", async () => {
      const before = tf.memory().numTensors;
      const { freezing, own } = around(true);
      expect(tf.memory().numTensors).toBe(before + 1);
      await freezing.detect(image);
      await freezing.close();
      await freezing.close();
      expect(tf.memory().numTensors).toBe(before);
      expect((await inferencer({ detector: own }).detect(image)).objects[0]!.box).toEqual([11, 21, 77, 50]);
      own.dispose();
    });

    it("lets calls under way finish when it is closed, and refuses later ones by name", async () => {
      const before = tf.memory().numTensors;
      const { freezing, own } = around(true);
      const calls = Array.from({ length: 5 }, () => freezing.detect(image));
      const closed = freezing.close();
      for (const { objects } of await Promise.all(calls)) expect(objects[0]!.box).toEqual([11, 21, 77, 50]);
      await closed;
      expect(tf.memory().numTensors).toBe(before);
      await expect(freezing.detect(image)).rejects.toMatchObject({ code: "closed" });
      await expect(freezing.warmup({ height: 64, width: 96 })).rejects.toThrow(CaddetError);
      own.dispose();
    });

    it("warms up for the padded input of the images to come", async () => {
      const { freezing, own, backbone } = around(true);
      const before = tf.memory().numTensors;
      await freezing.warmup({ height: 50, width: 70 });
      expect(backbone.frozen[0]!.warmedUp).toEqual([(await freezing.detect(picture(50, 70, [1, 1, 9, 9]))).input]);
      expect(tf.memory().numTensors).toBe(before);
      await expect(freezing.warmup({ height: -5, width: 70 })).rejects.toThrow(ShapeError);
      await freezing.close();
      own.dispose();
    });

    it("takes backbones without a frozen form as they are", async () => {
      const asIs = inferencer({ freeze: true });
      await asIs.warmup({ height: 64, width: 96 });
      expect((await asIs.detect(image)).objects[0]!.box).toEqual([11, 21, 77, 50]);
      await asIs.close();
    });

    it("does not grow over fifty images", async () => {
      const { freezing, own } = around(true);
      await freezing.warmup(image);
      const { numTensors, numBytes } = tf.memory();
      for (let i = 0; i < 50; i++) await freezing.detect(picture(20 + (i % 3), 30, [4, 4, 20, 18]));
      expect(tf.memory()).toMatchObject({ numTensors, numBytes });
      await freezing.close();
      own.dispose();
    });
  });
});
