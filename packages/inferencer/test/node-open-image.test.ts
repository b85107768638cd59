import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, DatasetError } from "@caddet/core";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openImage } from "../src/node";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-images-"));
});
afterAll(() => rm(folder, { recursive: true }));

const WIDTH = 48;
const HEIGHT = 32;
// The left half in one colour, the right half in another; no alpha.
function halves(left: readonly number[], right: readonly number[]): Sharp {
  const data = Uint8Array.from({ length: HEIGHT * WIDTH * 3 }, (_, i) => {
    const isLeft = Math.floor(i / 3) % WIDTH < WIDTH / 2;
    return (isLeft ? left : right)[i % 3]!;
  });
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

const GREY = halves([64, 64, 64], [192, 192, 192]);
const RED_BLUE = halves([200, 30, 30], [30, 30, 200]);

// The bytes in the middle of the left and of the right half.
async function colours(source: string | Uint8Array) {
  const image = await openImage(source);
  const rgb = await image.render(image);
  expect(rgb.length).toBe(image.height * image.width * 3);
  const at = (x: number) => {
    const from = (Math.floor(image.height / 2) * image.width + x) * 3;
    return [...rgb.subarray(from, from + 3)];
  };
  return { size: [image.height, image.width], left: at(image.width / 4), right: at((image.width * 3) / 4) };
}

describe("openImage", () => {
  it.each([
    ["JPEG", () => RED_BLUE.clone().jpeg({ quality: 100, chromaSubsampling: "4:4:4" })],
    ["PNG", () => RED_BLUE.clone().png()],
    ["WebP", () => RED_BLUE.clone().webp({ lossless: true })],
    ["TIFF", () => RED_BLUE.clone().tiff({ compression: "lzw" })],
    ["GIF", () => RED_BLUE.clone().gif()],
    ["AVIF", () => RED_BLUE.clone().avif({ lossless: true })],
  ])("reads %s, from a path and from bytes alike", async (name, draw) => {
    const bytes = await draw().toBuffer();
    const found = await colours(bytes);
    expect(found.size).toEqual([HEIGHT, WIDTH]);
    [200, 30, 30].forEach((v, i) => {
      expect(Math.abs(found.left[i]! - v)).toBeLessThanOrEqual(4);
    });
    [30, 30, 200].forEach((v, i) => {
      expect(Math.abs(found.right[i]! - v)).toBeLessThanOrEqual(4);
    });
    const file = join(folder, `image.${name}`);
    await writeFile(file, bytes);
    expect(await colours(file)).toEqual(found);
  });

  it("makes RGB of grey", async () => {
    const bytes = await GREY.clone().toColourspace("b-w").png().toBuffer();
    expect((await sharp(bytes).metadata()).channels).toBe(1);
    expect(await colours(bytes)).toMatchObject({ left: [64, 64, 64], right: [192, 192, 192] });
  });

  it("leaves alpha out without mixing it in", async () => {
    const clear = { r: 200, g: 30, b: 30, alpha: 0.5 };
    const bytes = await sharp({ create: { width: 8, height: 8, channels: 4, background: clear } })
      .png()
      .toBuffer();
    expect(await colours(bytes)).toMatchObject({ left: [200, 30, 30] });
  });

  it("brings 16 bits to 8", async () => {
    const bytes = await RED_BLUE.clone().toColourspace("rgb16").png().toBuffer();
    expect((await sharp(bytes).metadata()).depth).toBe("ushort");
    const { left, right } = await colours(bytes);
    [200, 30, 30].forEach((v, i) => {
      expect(Math.abs(left[i]! - v)).toBeLessThanOrEqual(1);
    });
    expect(right[2]).toBeGreaterThan(198);
  });

  it("makes RGB of CMYK", async () => {
    const bytes = await RED_BLUE.clone().toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    expect(await sharp(bytes).metadata()).toMatchObject({ space: "cmyk", channels: 4 });
    const { left, right } = await colours(bytes);
    expect(left[0]).toBeGreaterThan(left[2]! + 60);
    expect(right[2]).toBeGreaterThan(right[0]! + 60);
  });

  it("does not turn an image by its EXIF orientation, as COCO's boxes do not know it", async () => {
    const bytes = await RED_BLUE.clone().withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(bytes).metadata()).orientation).toBe(6);
    const { size, left, right } = await colours(bytes);
    expect(size).toEqual([HEIGHT, WIDTH]);
    expect(left[0]).toBeGreaterThan(150);
    expect(right[2]).toBeGreaterThan(150);
  });

  it("renders at any size, one pixel as well", async () => {
    const one = await sharp({ create: { width: 1, height: 1, channels: 3, background: "#0a141e" } })
      .png()
      .toBuffer();
    const image = await openImage(one);
    expect([image.height, image.width]).toEqual([1, 1]);
    expect([...(await image.render({ height: 1, width: 1 }))]).toEqual([10, 20, 30]);
    const large = await image.render({ height: 20, width: 10 });
    expect(large.length).toBe(600);
    expect([...large.subarray(597)]).toEqual([10, 20, 30]);
  });

  it("refuses a JPEG that is cut in half", async () => {
    // Noise, so that half of the file is half of the picture.
    const random = createRandom(0);
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.int(256));
    const whole = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    const file = join(folder, "cut.jpg");
    await writeFile(file, whole.subarray(0, whole.length / 2));
    const image = await openImage(file);
    await expect(image.render(image)).rejects.toThrow(`${file} cannot be used: `);
    await expect(image.render(image)).rejects.toThrow(DatasetError);
  });

  it.each([
    ["empty.jpg", "", /Give a whole image file/],
    ["text.png", "not an image", /unsupported image format/],
    [
      "drawing.svg",
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      /it is svg; read are jpeg, png, /,
    ],
  ])("refuses %s, from a path and from bytes", async (name, text, message) => {
    const file = join(folder, name);
    await writeFile(file, text);
    await expect(openImage(file)).rejects.toThrow(`${file} cannot be used: `);
    await expect(openImage(file)).rejects.toThrow(message);
    await expect(openImage(Buffer.from(text))).rejects.toThrow("the image cannot be used: ");
    await expect(openImage(Buffer.from(text))).rejects.toThrow(DatasetError);
  });

  it("says that a file is missing", async () => {
    const file = join(folder, "none.jpg");
    await expect(openImage(file)).rejects.toThrow(`${file} cannot be used: Input file is missing`);
  });
});
