// The two engines say the same, and on the way of TensorFlow.js nothing is read synchronously or uploaded twice.
import { CheckpointError, ConfigError, type Detections, ShapeError } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-node";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createInferencer, createOnnxEngine, createTfjsEngine, type Engine } from "../src";
import { CLASSES, exportedOf, movedDetector, noise, noiseBatch } from "./models";

const ONE_THREAD = { runtime: ort, threads: 1 };

function expectSame(got: Detections, wanted: Detections): void {
  expect([...got.labels]).toEqual([...wanted.labels]);
  for (const key of ["scores", "boxes"] as const) {
    const largest = Math.max(1, ...wanted[key].map(Math.abs));
    wanted[key].forEach((value, i) => {
      expect(Math.abs(got[key][i]! - value), `${key} ${i}`).toBeLessThanOrEqual(1e-3 * largest);
    });
  }
}

describe.each(backends)("engines on %s", (backend) => {
  let detector: Detector;
  let [tfjs, onnx]: Engine[] = [];
  beforeAll(async () => {
    await useBackend(backend);
    detector = await movedDetector();
    tfjs = createTfjsEngine(detector);
    onnx = await createOnnxEngine(await exportedOf(detector), ONE_THREAD);
  });
  afterAll(async () => {
    await tfjs?.dispose();
    await onnx?.dispose();
    detector.dispose();
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each([
    { batch: 1, height: 64, width: 96 },
    { batch: 2, height: 71, width: 93 },
    { batch: 3, height: 33, width: 130 },
    { batch: 5, height: 48, width: 40 },
    { batch: 8, height: 37, width: 51 },
  ])("agree on a batch of $batch of $height x $width pixels", async ({ batch, height, width }) => {
    const images = noiseBatch(batch, height, width, batch);
    const before = tf.memory().numTensors;
    const [wanted, got] = [await tfjs!.run(images), await onnx!.run(images)];
    expect(tf.memory().numTensors).toBe(before);
    expect(wanted.detections.some(({ scores }) => scores.length > 0)).toBe(true);
    expect(got.detections.length).toBe(batch);
    for (const [b, own] of wanted.detections.entries()) expectSame(got.detections[b]!, own);
    expect(got.gates!.length).toBe(wanted.gates!.length);
    for (const [i, gate] of wanted.gates!.entries()) expect(Math.abs(got.gates![i]! - gate)).toBeLessThan(1e-4);
    expect(got.gates).toContain(0);
    expect([...got.madds!]).toEqual([...wanted.madds!]);
  });

  it("agree on images of any size, one by one and together", async () => {
    const sizes = [
      [64, 96],
      [96, 64],
      [63, 97],
      [1, 1],
      [7, 200],
      [64, 96],
    ] as const;
    const images = sizes.map(([height, width], i) => noise(height, width, i));
    const options = { classes: CLASSES, size: { shorter: 64, longer: 96 }, padTo: 32, batch: { images: 4 } };
    const first = createInferencer({ ...options, detector });
    const model = await exportedOf(detector);
    const second = createInferencer({ ...options, engine: await createOnnxEngine(model, ONE_THREAD) });
    const wanted = await first.detect(images, { threshold: 0 });
    const got = await second.detect(images, { threshold: 0 });
    const alone = await Promise.all(images.map((image) => second.detect(image, { threshold: 0 })));
    expect(wanted.flatMap(({ objects }) => objects).length).toBeGreaterThan(3);
    for (const [i, { objects, openPaths, madds, input }] of wanted.entries()) {
      for (const other of [got[i]!, alone[i]!]) {
        expect(other).toMatchObject({ openPaths, madds, input });
        expect(other.objects.map(({ label }) => label)).toEqual(objects.map(({ label }) => label));
        objects.forEach(({ score, box }, k) => {
          const found = other.objects[k]!;
          expect(Math.abs(found.score - score)).toBeLessThanOrEqual(1e-3);
          box.forEach((v, at) => {
            expect(Math.abs(v - found.box[at]!)).toBeLessThanOrEqual(1e-3 * Math.max(1, Math.abs(v)));
          });
        });
      }
    }
    await first.close();
    await second.close();
  });

  it("read nothing synchronously on the way of TensorFlow.js", async () => {
    const batch = noiseBatch(2, 64, 96, 7);
    vi.spyOn(tf.Tensor.prototype, "dataSync").mockImplementation(() => {
      throw new Error("a synchronous read");
    });
    vi.spyOn(tf.Tensor.prototype, "arraySync").mockImplementation(() => {
      throw new Error("a synchronous read");
    });
    await tfjs!.warmup(batch.input);
    expect((await tfjs!.run(batch)).detections.length).toBe(2);
  });

  it("read gates once a layer and what is decoded once", async () => {
    const reads = vi.spyOn(tf.Tensor.prototype, "data");
    await tfjs!.run(noiseBatch(2, 64, 96, 7));
    const layersWithRouters = 4; // of the preset tiny
    expect(reads).toHaveBeenCalledTimes(layersWithRouters + 1);
  });

  // On cpu every result is written, too.
  it.skipIf(backend === "cpu")("upload pixels for an image, and no weights", async () => {
    const batch = noiseBatch(1, 64, 96, 8);
    await tfjs!.warmup(batch.input);
    const write = vi.spyOn(tf.backend(), "write");
    await tfjs!.run(batch);
    const bytes = write.mock.calls.map(([values]) => (values as Float32Array | null)?.byteLength ?? 0);
    const pixels = batch.values.byteLength;
    expect(bytes).toContain(pixels);
    // Beside the pixels there are constants of a few bytes alone; the smallest convolution of a node has 256.
    const beside = bytes.reduce((a, b) => a + b, 0) - pixels;
    let weights = 0;
    for (const { variable } of detector.namedParameters().values()) weights += variable.size * 4;
    expect(weights).toBeGreaterThan(100_000);
    expect(beside).toBeLessThan(weights / 50);
  });

  it("frees what it made, and leaves the detector as it was", async () => {
    const before = tf.memory().numTensors;
    const engine = createTfjsEngine(detector);
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    await engine.run(noiseBatch(1, 32, 32, 1));
    await engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
    const unfrozen = createTfjsEngine(detector, { freeze: false });
    expect(tf.memory().numTensors).toBe(before);
    const [answer, wanted] = [await unfrozen.run(noiseBatch(1, 32, 32, 1)), await tfjs!.run(noiseBatch(1, 32, 32, 1))];
    expectSame(answer.detections[0]!, wanted.detections[0]!);
    await unfrozen.dispose();
  });

  it("know the cost of all paths before the first image", () => {
    const { node, path } = detector.backbone.routing!.cost(64, 96);
    const sum = [...Array.from(node), ...Array.from(path)].reduce((a, b) => a + b, 0);
    expect(tfjs!.allOpenMadds!({ height: 64, width: 96 })).toBe(sum);
  });

  it("refuse images that are broken off, and go on", async () => {
    const { values, input } = noiseBatch(1, 64, 96, 1);
    const before = tf.memory().numTensors;
    for (const engine of [tfjs!, onnx!]) {
      await expect(engine.run({ values: values.subarray(0, 99), input, sizes: [input] })).rejects.toThrow();
      expect((await engine.run({ values, input, sizes: [input] })).detections.length).toBe(1);
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("createOnnxEngine", () => {
  let detector: Detector;
  let model: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    await useBackend("cpu");
    detector = await movedDetector();
    model = await exportedOf(detector);
  });
  afterAll(() => detector.dispose());

  it("says what it computes on", async () => {
    const engine = await createOnnxEngine(model, { runtime: ort, threads: 2, providers: ["cpu"] });
    expect(engine).toMatchObject({ name: "onnx", preferredBatch: 1, numClasses: 3 });
    expect(engine.device).toMatch(/^onnxruntime-node 1\.\d+\.\d+ on cpu, 2 threads$/);
    await engine.dispose();
  });

  it("takes the one size that a file was exported for: smaller images are padded, larger ones made to fit", async () => {
    const size = { height: 64, width: 96 };
    const fixed = await createOnnxEngine(await exportedOf(detector, { size }), ONE_THREAD);
    expect(fixed.fixedInput).toEqual(size);
    await expect(fixed.run(noiseBatch(1, 32, 96, 0))).rejects.toThrow(
      "The model was exported for inputs of 64 x 96 pixels, got 32 x 96.",
    );
    await expect(fixed.run(noiseBatch(1, 32, 96, 0))).rejects.toThrow(ShapeError);
    const free = await createOnnxEngine(model, ONE_THREAD);
    const options = { classes: CLASSES, size: { shorter: 50, longer: 90 } };
    const [padding, plain] = [fixed, free].map((engine) => createInferencer({ ...options, engine, padTo: 1 }));
    const small = await padding!.detect(noise(50, 90, 1), { threshold: 0 });
    expect(small.input).toEqual(size);
    expect((await plain!.detect(noise(50, 90, 1))).input).toEqual({ height: 50, width: 90 });
    const standing = await padding!.detect(noise(180, 90, 1), { threshold: 0 });
    expect(standing).toMatchObject({ input: size, source: { height: 180, width: 90 } });
    for (const { box } of standing.objects) {
      expect(box[2]).toBeLessThanOrEqual(90 + 1e-3);
      expect(box[3]).toBeLessThanOrEqual(180 + 1e-3);
    }
    await padding!.close();
    await plain!.close();
  });

  it.each([
    [{ threads: 0 }, "threads is an integer from 1, got 0."],
    [{ threads: 1.5 }, "threads is an integer from 1, got 1.5."],
    [{ providers: ["abacus"] }, "onnxruntime cannot run the model on [abacus]: "],
  ])("refuses %j", async (options, message) => {
    const made = createOnnxEngine(model, { runtime: ort, ...options });
    await expect(made).rejects.toThrow(message);
    await expect(made).rejects.toThrow(ConfigError);
  });

  it("refuses models without detections, cut ones and others", async () => {
    const raw = await exportedOf(detector, { output: "raw" });
    await expect(createOnnxEngine(raw, ONE_THREAD)).rejects.toThrow(
      "The model gives raw, no detections. Export it with",
    );
    for (const bytes of [model.subarray(0, 5000), new Uint8Array(100), new Uint8Array(0)]) {
      await expect(createOnnxEngine(bytes, ONE_THREAD)).rejects.toThrow(CheckpointError);
    }
  });

  it("runs calls that overlap one after another", async () => {
    let running = 0;
    let most = 0;
    const runtime = {
      Tensor: ort.Tensor,
      InferenceSession: {
        create: async (...args: Parameters<typeof ort.InferenceSession.create>) => {
          const session = await ort.InferenceSession.create(...args);
          return {
            run: async (feeds: Record<string, ort.Tensor>) => {
              most = Math.max(most, ++running);
              return session.run(feeds).finally(() => running--);
            },
            release: () => session.release(),
          };
        },
      },
    };
    const engine = await createOnnxEngine(model, { runtime } as never);
    expect(engine.device).toBe("onnxruntime on cpu");
    await Promise.all(Array.from({ length: 4 }, (_, i) => engine.run(noiseBatch(1, 32, 32, i))));
    expect(most).toBe(1);
    await engine.dispose();
  });
});
