// Image files as an adversary or an accident makes them: each gives a defined result or an ImageFileError with file and reason, from
// loadImage and from the loader alike.
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAnnotations } from "../src";
import { decodeImage } from "../src/images/image-file";
import { createLoader, ImageFileError, type LoadedImage, loadImage, type SkippedImage } from "../src/node";
import { drawNoise } from "./drawn-images";
import { pngBytes } from "./png-bytes";

const size = { shorter: 48, longer: 64 };
const colour = { r: 200, g: 100, b: 50 };
const drawn = () => sharp({ create: { width: 64, height: 48, channels: 3, background: colour } });

let root: string;
let folder: string;
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "bad-")));
  folder = join(root, "images");
  await mkdir(folder);
});
afterAll(() => rm(root, { recursive: true }));

async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, bytes);
  return file;
}

async function faultOf(source: string | Uint8Array): Promise<ImageFileError> {
  const error = await loadImage(source, size).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ImageFileError);
  const { message, details, reason } = error as ImageFileError;
  const file = typeof source === "string" ? source : "image";
  expect(message.startsWith(`${file}: `)).toBe(true);
  expect(details).toMatchObject({ file, reason });
  return error as ImageFileError;
}

// Colour of the pixel in the middle, to the nearest 8-bit value.
async function middle(bytes: Uint8Array): Promise<number[]> {
  const { rgb, size: to } = await decodeImage(bytes, { file: "image", target: size });
  const at = (Math.floor(to.height / 2) * to.width + Math.floor(to.width / 2)) * 3;
  return [...rgb.subarray(at, at + 3)];
}

async function expectDrawn(bytes: Uint8Array, tolerance: number) {
  const [r, g, b] = (await middle(bytes)) as [number, number, number];
  expect(Math.max(Math.abs(r - 200), Math.abs(g - 100), Math.abs(b - 50))).toBeLessThanOrEqual(tolerance);
}

describe("an image of very many pixels", () => {
  it.each([
    ["a PNG that claims 20,000 × 20,000", () => pngBytes(20_000, 20_000, { rows: 1 })],
    ["a PNG that has them", () => pngBytes(20_000, 20_000)],
    ["a PNG that claims 10,001 × 10,000", () => pngBytes(10_001, 10_000, { rows: 1 })],
  ])("%s is refused before it is decoded", async (_, draw) => {
    const bytes = draw();
    expect(bytes.length).toBeLessThan(1_000_000);
    const start = performance.now();
    const error = await faultOf(await fileOf("huge.png", bytes));
    expect(error.reason).toBe("file-too-large");
    expect(error.message).toMatch(/ is \d+ × \d+ pixels?, at most 100000000 are decoded/);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it("a JPEG that claims 20,000 × 20,000 is refused the same way", async () => {
    const bytes = await drawn().jpeg().toBuffer();
    const sof = bytes.indexOf(Buffer.from([0xff, 0xc0]));
    bytes.writeUInt16BE(20_000, sof + 5);
    bytes.writeUInt16BE(20_000, sof + 7);
    expect((await faultOf(await fileOf("huge.jpg", bytes))).reason).toBe("file-too-large");
  });

  it("a thin one within the bound is read, and one of no pixels is not", async () => {
    const { shape, sourceSize } = await loadImage(pngBytes(20_000, 40), { shorter: 48, longer: 640 });
    expect([shape, sourceSize]).toEqual([[1, 32, 640, 3], { width: 20_000, height: 40 }]);
    expect((await faultOf(pngBytes(0, 5))).reason).toBe("undecodable");
    expect((await faultOf(pngBytes(0xffffffff, 0xffffffff, { rows: 0 }))).reason).toBe("undecodable");
  });
});

describe("a file that is not what its name says", () => {
  it("a PNG, a GIF and a WebP named .jpg are read by their content", async () => {
    for (const image of [drawn().png(), drawn().gif(), drawn().webp()]) {
      const file = await fileOf("other.jpg", await image.toBuffer());
      expect((await loadImage(file, size)).sourceSize).toEqual({ width: 64, height: 48 });
    }
  });

  it.each([
    ["text", Buffer.from("<html><body>404 Not Found</body></html>")],
    ["SVG", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><rect width="9"/></svg>')],
    ["a PDF", Buffer.from("%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF")],
    ["a zip file", Buffer.from("PK\u0003\u0004 and more")],
    ["zeros", Buffer.alloc(5000)],
    ["the start of a JPEG", Buffer.from([0xff, 0xd8, 0xff, 0xe0])],
  ])("%s named .jpg is refused", async (_, bytes) => {
    expect(["undecodable", "unsupported-format"]).toContain((await faultOf(await fileOf("text.jpg", bytes))).reason);
  });

  it("a folder, a file of 0 bytes and nothing at all", async () => {
    await mkdir(join(folder, "folder.jpg"), { recursive: true });
    expect((await faultOf(join(folder, "folder.jpg"))).reason).toBe("unsupported-format");
    expect((await faultOf(await fileOf("empty.jpg", new Uint8Array(0)))).reason).toBe("empty-file");
    expect((await faultOf(join(folder, "nothing.jpg"))).reason).toBe("missing-file");
    expect((await faultOf(join(folder, "a\0b.jpg"))).reason).toBe("missing-file");
  });
});

describe("an unusual but honest image", () => {
  it("CMYK, with Adobe's marker and inverted values as Photoshop writes it", async () => {
    const bytes = await drawn().toColourspace("cmyk").jpeg({ quality: 95 }).toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe("cmyk");
    await expectDrawn(bytes, 30);
  });

  it("16 bits a channel: the upper eight count", async () => {
    const bytes = await drawn().toColourspace("rgb16").png().toBuffer();
    expect((await sharp(bytes).metadata()).depth).toBe("ushort");
    await expectDrawn(bytes, 1);
    await expectDrawn(await drawn().toColourspace("rgb16").tiff().toBuffer(), 1);
  });

  it.each([2, 3, 4, 5, 6, 7, 8])(
    "EXIF orientation %d is not applied: size and pixels are as stored",
    async (orientation) => {
      const left = { create: { width: 20, height: 48, channels: 3 as const, background: "black" } };
      const plain = drawn().composite([{ input: left, left: 0, top: 0 }]);
      const stored = await plain.clone().jpeg({ quality: 95 }).toBuffer();
      const turned = await plain.clone().withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer();
      expect((await sharp(turned).metadata()).orientation).toBe(orientation);
      const without = await decodeImage(stored, { file: "stored", target: size });
      expect(await decodeImage(turned, { file: "turned", target: size })).toEqual(without);
    },
  );

  it("an animated GIF or WebP is its first frame", async () => {
    const frames = Buffer.concat(
      [
        [200, 100, 50],
        [0, 0, 0],
        [255, 255, 255],
      ].map((rgb) => Buffer.alloc(64 * 48 * 3).map((_, n) => rgb[n % 3]!)),
    );
    const raw = { width: 64, height: 48 * 3, channels: 3 as const, pageHeight: 48 };
    for (const format of ["gif", "webp"] as const) {
      const bytes = await sharp(frames, { raw })
        .toFormat(format, { loop: 0, delay: [10, 10, 10] })
        .toBuffer();
      expect((await sharp(bytes).metadata()).pages).toBe(3);
      const { sourceSize } = await loadImage(bytes, size);
      expect(sourceSize).toEqual({ width: 64, height: 48 });
      await expectDrawn(bytes, 6);
    }
  });

  it("a JPEG with a thumbnail, fill bytes, progressive scans or a tail of other bytes", async () => {
    const bytes = await drawn().jpeg({ quality: 95 }).toBuffer();
    const thumbnail = await sharp({ create: { width: 8, height: 9, channels: 3, background: "black" } })
      .jpeg()
      .toBuffer();
    const app1 = Buffer.concat([Buffer.from([0xff, 0xe1, 0, 0]), Buffer.from("Exif\0\0"), thumbnail]);
    app1.writeUInt16BE(app1.length - 2, 2);
    const start = bytes.subarray(0, 2);
    const rest = bytes.subarray(2);
    const progressive = await drawn().jpeg({ progressive: true, quality: 95 }).toBuffer();
    for (const variant of [
      Buffer.concat([start, app1, rest]),
      Buffer.concat([start, Buffer.from([0xff, 0xff, 0xff]), rest]),
      Buffer.concat([bytes, Buffer.from("a tail"), thumbnail]),
      progressive,
    ]) {
      expect((await loadImage(variant, size)).sourceSize).toEqual({ width: 64, height: 48 });
      await expectDrawn(variant, 6);
    }
  });
});

describe("a damaged file", () => {
  let whole: Buffer;
  let good: LoadedImage;
  beforeAll(async () => {
    whole = await drawNoise({ width: 80, height: 60 });
    good = await loadImage(whole, size);
  });

  // What was cut may be no more than the marker of the end.
  it("cut anywhere: an ImageFileError, or the very same image", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
        const loaded = await loadImage(whole.subarray(0, length), size).catch((error: unknown) => error);
        if (loaded instanceof ImageFileError) return;
        expect(length).toBeGreaterThan(whole.length - 8);
        expect(loaded).toEqual(good);
      }),
      { numRuns: 150, seed: 1, examples: [[whole.length - 1], [whole.length - 2], [whole.length - 3]] },
    );
  });

  it.each(["png", "webp", "gif", "tiff"] as const)("a %s cut in the middle is refused", async (format) => {
    const bytes = await sharp(whole).toFormat(format).toBuffer();
    expect((await faultOf(bytes.subarray(0, bytes.length / 2))).reason).toBe("undecodable");
  });

  it.each(["jpeg", "png", "webp", "gif", "tiff"] as const)(
    "a %s with bytes changed anywhere: an image of the size that it says, or an ImageFileError",
    async (format) => {
      const bytes = await sharp(whole).resize(24, 16).toFormat(format).toBuffer();
      const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
          const broken = Buffer.from(bytes);
          for (const [at, value] of changes) broken[at] = value;
          const loaded = await loadImage(broken, size).catch((error: unknown) => error);
          if (loaded instanceof ImageFileError) return;
          const { images, shape } = loaded as LoadedImage;
          expect(images.length).toBe(shape[1] * shape[2] * 3);
          expect(images.every(Number.isFinite)).toBe(true);
        }),
        { numRuns: 150, seed: 2 },
      );
    },
  );
});

// Links need rights on Windows that tests do not have.
describe.skipIf(process.platform === "win32")("the loader on a folder of bad files", () => {
  const names = {
    1: "good.jpg",
    2: "link-inside.jpg",
    3: "link-outside.jpg",
    4: "../outside.jpg",
    5: "linked-folder/outside.jpg",
    6: "/etc/hostname",
    7: "wrong-size.jpg",
    8: "swapped-size.jpg",
    9: "directory.jpg",
    10: "link-to-itself.jpg",
    11: "zero.jpg",
    12: "huge-claim.jpg",
    13: "good.jpg/inside",
    14: "a\0b.jpg",
  };

  it("reads what is inside, and names file and reason of all others", async () => {
    const bytes = await drawn().jpeg().toBuffer();
    await writeFile(join(root, "outside.jpg"), bytes);
    for (const name of ["good", "swapped-size"]) await fileOf(`${name}.jpg`, bytes);
    await fileOf("wrong-size.jpg", await drawn().resize(63, 48).jpeg().toBuffer());
    await fileOf("zero.jpg", new Uint8Array(0));
    await fileOf("huge-claim.jpg", pngBytes(20_000, 20_000, { rows: 1 }));
    await mkdir(join(folder, "directory.jpg"));
    await symlink("good.jpg", join(folder, "link-inside.jpg"));
    await symlink(join(root, "outside.jpg"), join(folder, "link-outside.jpg"));
    await symlink(root, join(folder, "linked-folder"));
    await symlink("link-to-itself.jpg", join(folder, "link-to-itself.jpg"));

    const ids = Object.keys(names).map(Number);
    const sized = (id: number) => (id === 8 ? { width: 48, height: 64 } : { width: 64, height: 48 });
    const images = ids.map((id) => ({ id, file_name: `${id}.jpg`, ...sized(id) }));
    const json = { images, annotations: [], categories: [{ id: 1, name: "thing" }] };
    const parsed = parseAnnotations(json, { file: "bad.json", onBadEntry: "keep" });
    // Put in afterwards: the parser refuses some of the names itself.
    const dataset = {
      ...parsed,
      images: { ...parsed.images, fileNames: Object.values(names) },
      imageFolder: folder,
    };

    const skipped: SkippedImage[] = [];
    const loader = createLoader(dataset, {
      batchSize: 4,
      size,
      badImages: "omit",
      onSkip: (image) => skipped.push(image),
    });
    const loaded: number[] = [];
    for await (const { imageIds } of loader.epoch(0)) loaded.push(...imageIds);
    loader.dispose();
    expect(loaded).toEqual([1, 2]);
    expect(Object.fromEntries(skipped.map(({ imageId, reason }) => [imageId, reason]))).toEqual({
      3: "outside-folder",
      4: "outside-folder",
      5: "outside-folder",
      6: "missing-file",
      7: "size-mismatch",
      8: "size-mismatch",
      9: "unsupported-format",
      10: "missing-file",
      11: "empty-file",
      12: "file-too-large",
      13: "missing-file",
      14: "missing-file",
    });
    for (const { file, imageId, message } of skipped) {
      expect(file).toBe(names[imageId as keyof typeof names]);
      expect(message).toContain(join(folder, file));
    }
  });
});
