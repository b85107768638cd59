import { CaddetError, ConfigError, DatasetError, ShapeError, type Size } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { backends, useBackend } from "#test/backends";
import { type ImageInput, toImageSource } from "../src/sources/index";

const SIZE = { height: 3, width: 4 };
const RGB = Uint8Array.from({ length: 36 }, (_, i) => i * 7);
// Its alpha, 9, is nowhere in RGB.
const RGBA = Uint8Array.from({ length: 48 }, (_, i) => (i % 4 === 3 ? 9 : RGB[Math.floor(i / 4) * 3 + (i % 4)]!));

const rendered = (image: ImageInput, size: Size = SIZE) => toImageSource(image).render(size);

describe.each(backends)("toImageSource on %s", (backend) => {
  beforeAll(() => useBackend(backend));
  const tensor = (values: ArrayLike<number>, shape: number[], dtype: "int32" | "float32" | "bool" = "float32") =>
    tf.tensor([...(values as number[])], shape as [number, number, number], dtype) as tf.Tensor3D;

  it.each<[string, ImageInput]>([
    ["RGB bytes", { ...SIZE, data: RGB }],
    ["clamped RGB bytes", { ...SIZE, data: Uint8ClampedArray.from(RGB) }],
    ["RGBA bytes as of ImageData", { ...SIZE, data: Uint8ClampedArray.from(RGBA) }],
    ["RGBA bytes of a Buffer", { ...SIZE, data: Buffer.from(RGBA) }],
    ["bytes in the middle of a buffer", { ...SIZE, data: Uint8ClampedArray.of(1, ...RGB, 1).subarray(1, 37) }],
  ])("gives the very pixels of %s", async (_, image) => {
    const source = toImageSource(image);
    expect([source.height, source.width]).toEqual([3, 4]);
    expect(await source.render(SIZE)).toEqual(expect.any(Uint8Array));
    expect([...(await source.render(SIZE))]).toEqual([...RGB]);
  });

  it.each(["int32", "float32"] as const)(
    "gives the very pixels of a %s tensor, which stays the caller's",
    async (dtype) => {
      const image = tensor(RGB, [3, 4, 3], dtype);
      const grey = tensor(RGB.subarray(0, 12), [3, 4, 1], dtype);
      const before = tf.memory().numTensors;
      expect([...(await rendered(image))]).toEqual([...RGB]);
      expect([...(await rendered(grey))]).toEqual([...RGB.subarray(0, 12)].flatMap((v) => [v, v, v]));
      await rendered(image, { height: 7, width: 2 });
      expect(tf.memory().numTensors).toBe(before);
      expect([...(await image.data())]).toEqual([...RGB]);
      tf.dispose([image, grey]);
    },
  );

  it.each([
    { height: 6, width: 8 },
    { height: 2, width: 9 },
    { height: 1, width: 1 },
  ])("resizes to $height x $width alike, whatever the pixels come in", async (size) => {
    const floats = tensor(RGB, [3, 4, 3]);
    const ints = tensor(RGB, [3, 4, 3], "int32");
    const expected = await rendered({ ...SIZE, data: RGB }, size);
    expect(expected.length).toBe(size.height * size.width * 3);
    const before = tf.memory().numTensors;
    for (const image of [{ ...SIZE, data: RGBA }, floats, ints]) expect(await rendered(image, size)).toEqual(expected);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([floats, ints]);
  });

  it("rounds floats to the nearest byte", async () => {
    const image = tensor([0.4, 0.6, 254.7], [1, 1, 3]);
    expect([...(await rendered(image, { height: 1, width: 1 }))]).toEqual([0, 1, 255]);
    image.dispose();
  });

  it.each([Number.NaN, -1, 256, Number.POSITIVE_INFINITY])(
    "refuses a tensor with %s, and keeps nothing",
    async (value) => {
      const image = tensor([...RGB.subarray(0, 35), value], [3, 4, 3]);
      const grey = tensor([...RGB.subarray(0, 11), value], [3, 4, 1]);
      const before = tf.memory().numTensors;
      for (const wrong of [image, grey]) {
        await expect(rendered(wrong)).rejects.toThrow(`An image tensor has values from 0 to 255, got ${value}.`);
        await expect(rendered(wrong, { height: 6, width: 8 })).rejects.toThrow(DatasetError);
      }
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose([image, grey]);
    },
  );

  it.each([
    ["float32 [12, 3]", [12, 3], "float32"],
    ["float32 [1, 3, 4, 3]", [1, 3, 4, 3], "float32"],
    ["float32 [3, 6, 2]", [3, 6, 2], "float32"],
    ["float32 [3, 3, 4]", [3, 3, 4], "float32"],
    ["bool [3, 4, 3]", [3, 4, 3], "bool"],
  ] as const)("refuses a tensor %s", (text, shape, dtype) => {
    const image = tensor(new Uint8Array(36), [...shape], dtype);
    expect(() => toImageSource(image)).toThrow(ShapeError);
    expect(() => toImageSource(image)).toThrow(`got ${text}.`);
    image.dispose();
  });

  it("refuses a tensor without pixels", () => {
    const image = tensor([], [0, 4, 3]);
    expect(() => toImageSource(image)).toThrow(
      "An image tensor has sides that are positive integers, got 0 x 4 pixels.",
    );
    image.dispose();
  });

  it("refuses a disposed tensor, also one that was disposed before it was read", async () => {
    const image = tensor(RGB, [3, 4, 3]);
    const source = toImageSource(image);
    image.dispose();
    const refusal = expect.objectContaining({ code: "disposed" });
    await expect(source.render(SIZE)).rejects.toEqual(refusal);
    expect(() => toImageSource(image)).toThrow(CaddetError);
    expect(() => toImageSource(image)).toThrow("The image tensor was disposed. Keep it until its result is there.");
  });

  it("passes a source through", () => {
    const source = { ...SIZE, render: async () => RGB };
    expect(toImageSource(source)).toBe(source);
    expect(() => toImageSource({ ...source, height: 0 })).toThrow(ShapeError);
  });

  it.each<[string, unknown, new (...args: never[]) => CaddetError, string]>([
    [
      "too few bytes",
      { ...SIZE, data: new Uint8Array(35) },
      ShapeError,
      "needs 36 bytes of RGB or 48 of RGBA, got 35.",
    ],
    ["no bytes", { ...SIZE, data: new Float32Array(36) }, ShapeError, "got data that is no Uint8Array"],
    ["a list", { ...SIZE, data: [...RGB] }, ShapeError, "got data that is no Uint8Array"],
    ["no size", { height: 0, width: 4, data: new Uint8Array(0) }, ShapeError, "got 0 x 4 pixels."],
    ["half a pixel", { height: 1.5, width: 4, data: new Uint8Array(18) }, ShapeError, "got 1.5 x 4 pixels."],
    [
      "a path",
      "street.jpg",
      ConfigError,
      'got the text "street.jpg". Paths and file bytes are for @caddet/inferencer/node.',
    ],
    ["file bytes", new Uint8Array(5), ConfigError, "got Uint8Array."],
    ["nothing", undefined, ConfigError, "got undefined."],
    ["null", null, ConfigError, "got null."],
    ["an object", {}, ConfigError, "got Object."],
  ])("refuses %s", (_, image, kind, message) => {
    expect(() => toImageSource(image as ImageInput)).toThrow(kind);
    expect(() => toImageSource(image as ImageInput)).toThrow(message);
  });
});

describe("toImageSource of a browser's elements", () => {
  afterEach(() => vi.unstubAllGlobals());
  const element = (name: string, properties: object) =>
    ({ [Symbol.toStringTag]: name, ...properties }) as unknown as ImageInput;

  // Stands for the browser's canvas: everything that is drawn is RGBA.
  function stubCanvas(drawImage: (...args: unknown[]) => void = () => {}) {
    const draw = vi.fn(drawImage);
    class Canvas {
      constructor(
        readonly width: number,
        readonly height: number,
      ) {}
      getContext() {
        return { drawImage: draw, getImageData: () => ({ data: Uint8ClampedArray.from(RGBA) }) };
      }
    }
    vi.stubGlobal("OffscreenCanvas", Canvas);
    return draw;
  }

  it.each([
    ["HTMLImageElement", { naturalHeight: 6, naturalWidth: 8, height: 60, width: 80 }],
    ["HTMLVideoElement", { videoHeight: 6, videoWidth: 8, readyState: 2, height: 60, width: 80 }],
    ["HTMLCanvasElement", { height: 6, width: 8 }],
    ["OffscreenCanvas", { height: 6, width: 8 }],
    ["ImageBitmap", { height: 6, width: 8 }],
    ["VideoFrame", { displayHeight: 6, displayWidth: 8, codedHeight: 16, codedWidth: 16 }],
  ])("draws an %s at the wanted size and drops alpha", async (name, properties) => {
    const draw = stubCanvas();
    const image = element(name, properties);
    const source = toImageSource(image);
    expect([source.height, source.width]).toEqual([6, 8]);
    expect([...(await source.render(SIZE))]).toEqual([...RGB]);
    expect(draw).toHaveBeenCalledExactlyOnceWith(image, 0, 0, 4, 3);
  });

  it.each([
    ["HTMLImageElement", { naturalHeight: 0, naturalWidth: 0, height: 60, width: 80 }, "await image.decode()"],
    ["HTMLVideoElement", { videoHeight: 6, videoWidth: 8, readyState: 1 }, "loadeddata"],
    ["HTMLCanvasElement", { height: 0, width: 8 }, "Give it a size"],
    ["ImageBitmap", { height: 0, width: 0 }, "Close it after its result is there"],
    ["VideoFrame", { displayHeight: 0, displayWidth: 0 }, "Close it after its result is there"],
  ])("refuses an %s without pixels", (name, properties, hint) => {
    expect(() => toImageSource(element(name, properties))).toThrow(DatasetError);
    expect(() => toImageSource(element(name, properties))).toThrow(`This ${name} has no pixels.`);
    expect(() => toImageSource(element(name, properties))).toThrow(hint);
  });

  // Stands for a canvas on which a video leaves nothing at first.
  function stubLateCanvas(emptyDraws: number) {
    const draw = vi.fn();
    class Canvas {
      getContext() {
        const data = () =>
          Uint8ClampedArray.from(draw.mock.calls.length > emptyDraws ? RGBA : new Uint8Array(RGBA.length));
        return { drawImage: draw, getImageData: () => ({ data: data() }) };
      }
    }
    vi.stubGlobal("OffscreenCanvas", Canvas);
    return draw;
  }
  const video = () => element("HTMLVideoElement", { videoHeight: 6, videoWidth: 8, readyState: 4 });

  it("asks a video that has data and no picture for its frames, and waits", async () => {
    const draw = stubLateCanvas(3);
    expect([...(await toImageSource(video()).render(SIZE))]).toEqual([...RGB]);
    expect(draw).toHaveBeenCalledTimes(4);
    const requestVideoFrameCallback = vi.fn();
    stubLateCanvas(1);
    await toImageSource(Object.assign(video(), { requestVideoFrameCallback })).render(SIZE);
    await toImageSource(Object.assign(video(), { requestVideoFrameCallback })).render(SIZE);
    expect(requestVideoFrameCallback).toHaveBeenCalledOnce(); // the second one has a picture at once
  });

  it("does not wait for a video without end, nor for what may be transparent", async () => {
    stubLateCanvas(Number.POSITIVE_INFINITY);
    vi.useFakeTimers();
    const failed = toImageSource(video())
      .render(SIZE)
      .catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(2100);
    vi.useRealTimers();
    expect(await failed).toBeInstanceOf(DatasetError);
    expect(((await failed) as Error).message).toContain("has shown no picture for 2 s.");
    const canvas = toImageSource(element("HTMLCanvasElement", { height: 6, width: 8 }));
    expect([...(await canvas.render(SIZE))]).toEqual(Array(RGB.length).fill(0));
  });

  it("says what to do about an image of another origin", async () => {
    stubCanvas(() => {
      throw new DOMException("The canvas has been tainted.", "SecurityError");
    });
    const source = toImageSource(element("ImageBitmap", { height: 6, width: 8 }));
    await expect(source.render(SIZE)).rejects.toThrow(
      'This ImageBitmap cannot be read: The canvas has been tainted. Serve it with CORS and load it with crossOrigin "anonymous".',
    );
    await expect(source.render(SIZE)).rejects.toThrow(DatasetError);
  });

  it("says that a browser has no OffscreenCanvas", async () => {
    const source = toImageSource(element("ImageBitmap", { height: 6, width: 8 }));
    await expect(source.render(SIZE)).rejects.toMatchObject({ code: "unsupported" });
  });
});
