import { createRandom, type Size } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { resizePixels } from "../src/sources/resize-pixels";

const worst = (got: Uint8Array, wanted: ArrayLike<number>) => {
  expect(got.length).toBe(wanted.length);
  return got.reduce((most, v, i) => Math.max(most, Math.abs(v - wanted[i]!)), 0);
};
const noise = ({ height, width }: Size) => {
  const random = createRandom(height * width);
  return Uint8Array.from({ length: height * width * 3 }, () => random.int(256));
};

describe("resizePixels", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "cpu" });
  });

  it("gives the image itself at its own size", () => {
    const rgb = noise({ height: 3, width: 5 });
    expect(resizePixels(rgb, { height: 3, width: 5 }, { height: 3, width: 5 })).toBe(rgb);
  });

  it.each([
    [
      { height: 3, width: 4 },
      { height: 6, width: 8 },
    ],
    [
      { height: 7, width: 5 },
      { height: 19, width: 5 },
    ],
    [
      { height: 1, width: 1 },
      { height: 4, width: 3 },
    ],
    [
      { height: 30, width: 41 },
      { height: 37, width: 101 },
    ],
  ])("enlarges %o to %o as TensorFlow.js does with half-pixel centres", async (from, to) => {
    const rgb = noise(from);
    const wanted = tf.tidy(() => {
      const image = tf.tensor3d(rgb, [from.height, from.width, 3], "float32");
      return tf.image.resizeBilinear(image, [to.height, to.width], false, true);
    });
    expect(worst(resizePixels(rgb, from, to), await wanted.data())).toBeLessThanOrEqual(0.51);
    wanted.dispose();
  });

  it.each([
    [
      { height: 80, width: 120 },
      { height: 64, width: 96 },
    ],
    [
      { height: 90, width: 160 },
      { height: 30, width: 41 },
    ],
    [
      { height: 64, width: 64 },
      { height: 7, width: 64 },
    ],
  ])("shrinks %o to %o with averaging, as sharp does files", async (from, to) => {
    const rgb = noise(from);
    const wanted = await sharp(rgb, { raw: { ...from, channels: 3 } })
      .resize(to.width, to.height, { fit: "fill", kernel: "linear" })
      .raw()
      .toBuffer();
    // Of noise, 255 levels wide: libvips shrinks by whole factors first, which is not quite the same filter. Two taps without averaging
    // are 11, 46 and 46 off in the mean.
    const got = resizePixels(rgb, from, to);
    expect(worst(got, wanted)).toBeLessThanOrEqual(20);
    expect(got.reduce((sum, v, i) => sum + Math.abs(v - wanted[i]!), 0) / got.length).toBeLessThan(4);
  });

  it("makes one pixel of all, and an even picture of an even one", () => {
    const stripes = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (Math.floor(i / 3) % 2 === 0 ? 0 : 200));
    expect([...resizePixels(stripes, { height: 16, width: 16 }, { height: 1, width: 1 })]).toEqual([100, 100, 100]);
    const even = new Uint8Array(13 * 9 * 3).fill(77);
    for (const to of [
      { height: 5, width: 4 },
      { height: 40, width: 2 },
      { height: 1, width: 100 },
    ]) {
      expect(new Set(resizePixels(even, { height: 13, width: 9 }, to))).toEqual(new Set([77]));
    }
  });

  it("keeps a picture that is mirrored mirrored", () => {
    const from = { height: 11, width: 23 };
    const to = { height: 5, width: 9 };
    const rgb = noise(from);
    const mirrored = (pixels: Uint8Array, { width }: Size) =>
      pixels.map(
        (_, i) =>
          pixels[(Math.floor(i / (3 * width)) * width + (width - 1 - (Math.floor(i / 3) % width))) * 3 + (i % 3)]!,
      );
    const one = mirrored(resizePixels(rgb, from, to), to);
    expect(worst(resizePixels(mirrored(rgb, from), from, to), one)).toBeLessThanOrEqual(1);
  });
});
