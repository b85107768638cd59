import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, IMAGENET_NORMALISATION, normalisationTable } from "@caddet/core/base";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { ImageFileError, loadImage } from "../src/node";
import { drawJpeg, drawNoise } from "./drawn-images";

const size = { shorter: 48, longer: 96 };
const colour = { r: 200, g: 100, b: 50 };
const table = normalisationTable(IMAGENET_NORMALISATION);

// The 8-bit value that a normalised one came from.
function byteOf(value: number, channel: number): number {
  const { mean, std } = IMAGENET_NORMALISATION;
  return Math.round(value * std[channel]! + mean[channel]!);
}

function pixelOf({ images, shape }: { images: Float32Array; shape: readonly number[] }, y: number, x: number) {
  return [0, 1, 2].map((c) => byteOf(images[(y * shape[2]! + x) * 3 + c]!, c));
}

async function faultOf(source: string | Uint8Array): Promise<string> {
  try {
    await loadImage(source, size);
  } catch (error) {
    if (error instanceof ImageFileError) return error.reason;
    throw error;
  }
  return "none";
}

describe("loadImage", () => {
  it("resizes, normalises and pads with zeros at the right and the bottom", async () => {
    const loaded = await loadImage(await drawJpeg({ width: 120, height: 70, colour }), size);
    expect(loaded.shape).toEqual([1, 64, 96, 3]);
    expect(loaded.size).toEqual({ height: 48, width: 82, scaleX: 82 / 120, scaleY: 48 / 70 });
    expect(loaded.sourceSize).toEqual({ height: 70, width: 120 });
    for (let y = 0; y < 64; y++) {
      for (let x = 0; x < 96; x++) {
        const at = (y * 96 + x) * 3;
        if (y < 48 && x < 82) {
          const [r, g, b] = pixelOf(loaded, y, x);
          expect(Math.abs(r! - 200) + Math.abs(g! - 100) + Math.abs(b! - 50)).toBeLessThanOrEqual(6);
        } else expect([...loaded.images.subarray(at, at + 3)]).toEqual([0, 0, 0]);
      }
    }
  });

  it("keeps left and top where they are, to half a pixel", async () => {
    const loaded = await loadImage(await drawJpeg({ width: 90, height: 48, colour }, true), {
      shorter: 48,
      longer: 90,
    });
    expect(pixelOf(loaded, 24, 26).every((v) => v < 20)).toBe(true);
    expect(pixelOf(loaded, 24, 33)[0]).toBeGreaterThan(180);
  });

  it("takes a path and gives the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coco-"));
    const file = join(folder, "a.jpg");
    const bytes = await drawNoise({ width: 100, height: 60 });
    await writeFile(file, bytes);
    expect(await loadImage(file, size)).toEqual(await loadImage(bytes, size));
    await rm(folder, { recursive: true });
  });

  const drawn = sharp({ create: { width: 64, height: 48, channels: 3, background: colour } });
  it.each([
    ["8-bit PNG", () => drawn.clone().png(), [200, 100, 50], 2],
    ["PNG with alpha", () => drawn.clone().ensureAlpha(0.5).png(), [200, 100, 50], 3],
    ["PNG with a palette", () => drawn.clone().png({ palette: true }), [200, 100, 50], 3],
    ["16-bit PNG", () => drawn.clone().toColourspace("rgb16").png(), [200, 100, 50], 2],
    ["grey JPEG", () => drawn.clone().toColourspace("b-w").jpeg(), [123, 123, 123], 12],
    [
      "16-bit grey PNG with alpha",
      () => drawn.clone().toColourspace("grey16").ensureAlpha(0.5).png(),
      [123, 123, 123],
      12,
    ],
    ["CMYK JPEG", () => drawn.clone().toColourspace("cmyk").jpeg(), [200, 100, 50], 30],
    ["WebP", () => drawn.clone().webp(), [200, 100, 50], 6],
  ] as const)("turns a %s into RGB", async (_, draw, wanted, tolerance) => {
    const loaded = await loadImage(await draw().toBuffer(), size);
    expect(loaded.shape).toEqual([1, 64, 64, 3]);
    pixelOf(loaded, 10, 10).forEach((v, c) => {
      expect(Math.abs(v - wanted[c]!)).toBeLessThanOrEqual(tolerance);
    });
  });

  it("does not turn an image by its EXIF orientation", async () => {
    const turned = await drawn.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect((await loadImage(turned, size)).sourceSize).toEqual({ width: 64, height: 48 });
  });

  it("takes other normalisation and padding", async () => {
    const normalise = { mean: [0, 0, 0], std: [255, 255, 255] } as const;
    const loaded = await loadImage(await drawn.clone().png().toBuffer(), { ...size, normalise, padTo: 48 });
    expect(loaded.shape).toEqual([1, 48, 96, 3]);
    expect(loaded.images[0]).toBeCloseTo(200 / 255, 2);
    expect(table[200]).not.toBe(loaded.images[0]);
  });

  it("names what is wrong with a file", async () => {
    const noise = await drawNoise({ width: 300, height: 200 });
    expect(await faultOf(noise)).toBe("none");
    expect(await faultOf(noise.subarray(0, noise.length / 2))).toBe("undecodable");
    expect(await faultOf(noise.subarray(0, 20))).toBe("undecodable");
    expect(await faultOf(new Uint8Array(0))).toBe("empty-file");
    expect(await faultOf(new TextEncoder().encode("no image"))).toBe("undecodable");
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"/>';
    expect(await faultOf(new TextEncoder().encode(svg))).toBe("unsupported-format");
    expect(await faultOf(join(tmpdir(), "not-there.jpg"))).toBe("missing-file");
    expect(await faultOf(tmpdir())).toBe("unsupported-format");
  });

  it("survives a byte changed anywhere: an image or an ImageFileError", async () => {
    const noise = await drawNoise({ width: 40, height: 30 });
    for (let at = 0; at < noise.length; at += 11) {
      const broken = Uint8Array.from(noise);
      broken[at] = broken[at]! ^ 0xff;
      expect(typeof (await faultOf(broken))).toBe("string");
    }
  });

  it("refuses wrong bounds", async () => {
    const image = await drawn.clone().png().toBuffer();
    await expect(loadImage(image, { shorter: 100, longer: 50 })).rejects.toThrow(ConfigError);
    await expect(loadImage(image, { ...size, padTo: 0 })).rejects.toThrow(ConfigError);
  });
});
