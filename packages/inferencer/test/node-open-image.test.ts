import { execFileSync } from "node:child_process";
import { mkdtemp, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, DatasetError } from "@caddet/core";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openImage } from "../src/node/index";

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

  it.each([
    ["grey with alpha", 2, () => GREY.clone().toColourspace("b-w").ensureAlpha(0.5).png(), [64, 64, 64]],
    ["RGBA", 4, () => RED_BLUE.clone().ensureAlpha(0.2).png(), [200, 30, 30]],
    ["a palette", 3, () => RED_BLUE.clone().png({ palette: true, colours: 8 }), [200, 30, 30]],
    ["progressive scans", 3, () => RED_BLUE.clone().jpeg({ progressive: true, quality: 100 }), [200, 30, 30]],
    ["interlaced rows", 3, () => RED_BLUE.clone().png({ progressive: true }), [200, 30, 30]],
  ])("reads an image with %s", async (_, channels, draw, left) => {
    const bytes = await draw().toBuffer();
    expect((await sharp(bytes).metadata()).channels).toBe(channels);
    const found = await colours(bytes);
    expect(found.size).toEqual([HEIGHT, WIDTH]);
    left.forEach((v, i) => {
      expect(Math.abs(found.left[i]! - v)).toBeLessThanOrEqual(4);
    });
  });

  it.each(["gif", "webp"] as const)("takes the first picture of an animated %s", async (format) => {
    const pages = await Promise.all([GREY, RED_BLUE].map((page) => page.clone().png().toBuffer()));
    const bytes = await sharp(pages, { join: { animated: true } })
      .toFormat(format, { lossless: true })
      .toBuffer();
    expect((await sharp(bytes).metadata()).pages).toBe(2);
    expect(await colours(bytes)).toEqual({ size: [HEIGHT, WIDTH], left: [64, 64, 64], right: [192, 192, 192] });
  });

  it("gives what the file has now, not what was read of it before", async () => {
    const file = join(folder, "changing.png");
    const time = new Date(0);
    for (const picture of [GREY, RED_BLUE]) {
      await writeFile(file, await picture.clone().png({ compressionLevel: 0 }).toBuffer());
      await utimes(file, time, time);
      const { left } = await colours(file);
      expect(left).toEqual(picture === GREY ? [64, 64, 64] : [200, 30, 30]);
    }
  });

  // Noise, so that half of the file is half of the picture.
  const noise = () => {
    const random = createRandom(0);
    return sharp(
      Uint8Array.from({ length: 64 * 64 * 3 }, () => random.int(256)),
      { raw: { width: 64, height: 64, channels: 3 } },
    );
  };

  it.each(["jpeg", "png", "webp", "tiff", "gif"] as const)("refuses a %s that is cut in half", async (format) => {
    const whole = await noise().toFormat(format).toBuffer();
    const file = join(folder, `cut.${format}`);
    await writeFile(file, whole.subarray(0, whole.length / 2));
    const use = async () => {
      const image = await openImage(file);
      return image.render(image);
    };
    await expect(use()).rejects.toThrow(`${file} cannot be used: `);
    await expect(use()).rejects.toThrow(DatasetError);
    await expect(use()).rejects.toMatchObject({ code: "dataset", details: { file, reason: "broken" } });
  });

  // PNG's checksum, bit by bit.
  function crc32(bytes: Uint8Array): number {
    let crc = ~0;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
  }

  // A PNG of a few bytes whose header claims a size.
  function pngThatClaims(width: number, height: number): Buffer {
    const chunk = (type: string, data: Buffer) => {
      const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
      const frame = Buffer.alloc(8);
      frame.writeUInt32BE(data.length, 0);
      frame.writeUInt32BE(crc32(body), 4);
      return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
    };
    const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    const signature = Buffer.from("89504e470d0a1a0a", "hex");
    return Buffer.concat([
      signature,
      chunk("IHDR", header),
      chunk("IDAT", Buffer.alloc(9)),
      chunk("IEND", Buffer.alloc(0)),
    ]);
  }

  it("refuses a header that claims more pixels than are decoded, without taking memory for them", async () => {
    const before = process.memoryUsage().rss;
    const bomb = pngThatClaims(60_000, 60_000);
    await expect(openImage(bomb)).rejects.toThrow(
      "the image cannot be used: it is 60000 x 60000 pixels, at most 100000000 are decoded. Make the image smaller.",
    );
    await expect(openImage(bomb)).rejects.toMatchObject({ details: { reason: "too-large" } });
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
  });

  it("refuses a large image whose pixels are not there", async () => {
    const image = await openImage(pngThatClaims(5000, 5000));
    await expect(image.render({ height: 10, width: 10 })).rejects.toMatchObject({ details: { reason: "broken" } });
  });

  it("does not read a file of more bytes than an image has", async () => {
    const file = join(folder, "sparse.jpg");
    await writeFile(file, "");
    await truncate(file, 3_000_000_000);
    await expect(openImage(file)).rejects.toThrow("it has 3000000000 bytes, at most 200000000 are read");
  });

  it.each([
    ["empty.jpg", "", "empty", /it has no bytes. Give a whole image file/],
    ["text.jpg", "not an image", "broken", /unsupported image format/],
    [
      "drawing.svg",
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      "format",
      /it is svg; read are jpeg, png, /,
    ],
  ])("refuses %s, from a path and from bytes", async (name, text, reason, message) => {
    const file = join(folder, name);
    await writeFile(file, text);
    await expect(openImage(file)).rejects.toThrow(`${file} cannot be used: `);
    await expect(openImage(file)).rejects.toThrow(message);
    await expect(openImage(file)).rejects.toMatchObject({ details: { file, reason } });
    await expect(openImage(Buffer.from(text))).rejects.toThrow("the image cannot be used: ");
    await expect(openImage(Buffer.from(text))).rejects.toThrow(DatasetError);
  });

  it("says that a file is missing, or a folder", async () => {
    const file = join(folder, "none.jpg");
    await expect(openImage(file)).rejects.toThrow(
      /none.jpg cannot be used: ENOENT: .* Check the path and its rights\./,
    );
    await expect(openImage(file)).rejects.toMatchObject({ details: { file, reason: "missing" } });
    await expect(openImage(folder)).rejects.toThrow("it is a folder. List its images with imageFiles().");
  });

  it.skipIf(process.platform === "win32")("does not wait for a pipe or a device that never ends", async () => {
    const pipe = join(folder, "pipe.jpg");
    execFileSync("mkfifo", [pipe]);
    await expect(openImage(pipe)).rejects.toThrow("it is no plain file. Read it yourself, and pass the bytes.");
    await expect(openImage("/dev/zero")).rejects.toMatchObject({ details: { reason: "no-file" } });
  });
});
