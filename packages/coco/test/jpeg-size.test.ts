import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { jpegSize } from "../src/images/jpeg-size";
import { drawJpeg, drawNoise } from "./drawn-images";

describe("jpegSize", () => {
  it("reads what the decoder reads, whatever stands before the frame", async () => {
    const image = sharp(await drawNoise({ width: 301, height: 77 }));
    const kinds = [
      image.clone().jpeg(),
      image.clone().jpeg({ progressive: true }),
      image.clone().jpeg({ mozjpeg: true }),
      image.clone().withMetadata({ orientation: 6 }).withIccProfile("p3").jpeg(),
      image.clone().toColourspace("cmyk").jpeg(),
      image.clone().greyscale().jpeg(),
    ];
    for (const kind of kinds) expect(jpegSize(await kind.toBuffer())).toEqual({ width: 301, height: 77 });
  });

  it("passes over fill bytes", async () => {
    const bytes = await drawJpeg({ width: 9, height: 5 });
    const filled = Buffer.concat([bytes.subarray(0, 2), Buffer.from([0xff, 0xff]), bytes.subarray(2)]);
    expect(jpegSize(filled)).toEqual({ width: 9, height: 5 });
  });

  it("leaves to the decoder what it cannot follow", async () => {
    const bytes = await drawJpeg({ width: 9, height: 5 });
    expect(jpegSize(new Uint8Array(0))).toBeUndefined();
    expect(jpegSize(await sharp(bytes).png().toBuffer())).toBeUndefined();
    expect(jpegSize(bytes.subarray(0, 20))).toBeUndefined();
    const frame = bytes.findIndex((v, i) => v === 0xff && bytes[i + 1] === 0xc0);
    const flat = Uint8Array.from(bytes);
    flat.fill(0, frame + 5, frame + 9);
    expect(jpegSize(flat)).toBeUndefined();
    // A segment of length 0 would be read for ever.
    expect(jpegSize(Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))).toBeUndefined();
  });

  it("ends on any bytes", async () => {
    const bytes = await drawJpeg({ width: 9, height: 5 });
    for (let at = 2; at < bytes.length; at++) {
      const broken = Uint8Array.from(bytes);
      broken[at] = broken[at]! ^ 0x5a;
      const size = jpegSize(broken);
      if (size) expect(size.width > 0 && size.height > 0).toBe(true);
    }
  });
});
