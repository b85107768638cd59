// From model files to detectors: formats, engines, preparation, and files that cannot be used. Nothing is left of what fails.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CheckpointError,
  ConfigError,
  createRandom,
  parseSafetensors,
  readState,
  serializeSafetensors,
} from "@caddet/core";
import type { Detector } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDetector as createAnywhere } from "../src";
import { type CreateDetectorOptions, createDetector } from "../src/node";
import { CLASSES, checkpointOf, DATA, exportedOf, movedDetector, noise, PARTS } from "./models";

const ALL = { threshold: 0 };
const image = noise(64, 96, 5);

let folder: string;
let detector: Detector;
let checkpoint: Uint8Array<ArrayBuffer>;
let exported: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-detectors-"));
  await prepareBackend({ backend: "wasm" });
  detector = await movedDetector();
  checkpoint = await checkpointOf(detector);
  exported = await exportedOf(detector);
});
afterAll(async () => {
  detector.dispose();
  await rm(folder, { recursive: true });
});

/** What a detector finds, and what it runs on; it is closed, and leaves no tensor. */
async function found(options: CreateDetectorOptions) {
  const before = tf.memory().numTensors;
  const made = await createDetector(options);
  const { objects, input, openPaths, madds } = await made.detect(image, ALL);
  const { engine, device, classes } = made;
  await made.close();
  expect(tf.memory().numTensors).toBe(before);
  return { engine, device, classes, input, openPaths, madds, boxes: objects.map(({ box }) => box.map(Math.round)) };
}

/** Fails, leaving no tensor. */
async function refusal(options: CreateDetectorOptions): Promise<Error> {
  const before = tf.memory().numTensors;
  const error = await createDetector(options).then(
    () => expect.fail("it was not refused"),
    (failure: unknown) => failure as Error,
  );
  expect(tf.memory().numTensors).toBe(before);
  return error;
}

describe("createDetector of ./node", () => {
  it("finds the same on every engine and of either file, by path or bytes", async () => {
    const file = join(folder, "model.any");
    await writeFile(file, checkpoint);
    const wanted = await found({ file, engine: "tfjs" });
    expect(wanted).toMatchObject({ engine: "tfjs", device: "wasm", classes: CLASSES });
    expect(wanted.boxes.length).toBeGreaterThan(0);
    expect(wanted.input).toEqual({ height: 64, width: 96 });
    const { engine: _, device: __, ...same } = wanted;
    const threads = { threads: 1 };
    expect(await found({ file: checkpoint, engine: "onnx", onnx: threads })).toMatchObject({ ...same, engine: "onnx" });
    expect(await found({ file: exported, onnx: threads })).toMatchObject({ ...same, engine: "onnx" });
    const unfrozen = await found({ run: file, engine: "tfjs", freeze: false, parts: PARTS });
    expect(unfrozen).toMatchObject(same);
  });

  it('"auto" takes onnx for either file here, and tfjs where the detector cannot be exported', async () => {
    expect((await found({ file: exported })).engine).toBe("onnx");
    const auto = await found({ file: checkpoint, onnx: { threads: 2 } });
    expect(auto.engine).toBe("onnx");
    expect(auto.device).toMatch(/^onnxruntime-node .* on cpu, 2 threads$/);
    const { arrays, metadata } = parseSafetensors(checkpoint);
    const { sha256: _, ...others } = metadata;
    const model = JSON.parse(others.model!);
    model.head.test.nms = "soft-linear";
    const format = "caddet-detector/1";
    const soft = serializeSafetensors(arrays, { ...others, format, model: JSON.stringify(model) });
    expect((await found({ file: soft })).engine).toBe("tfjs");
    expect((await refusal({ file: soft, engine: "onnx" })).message).toMatch(/ONNX has no soft suppression/);
  });

  it("takes the backend that it is told", async () => {
    const before = tf.memory().numTensors;
    const made = await createDetector({ file: checkpoint, engine: "tfjs", backend: "cpu" });
    expect(made.device).toMatch(/^cpu on ./);
    expect(tf.getBackend()).toBe("cpu");
    await made.close();
    await prepareBackend({ backend: "wasm" });
    expect(tf.memory().numTensors).toBe(before);
    const backend = "abacus" as "cpu";
    await expect(createDetector({ file: checkpoint, backend })).rejects.toMatchObject({ code: "backend-unknown" });
  });

  it("takes the newest checkpoint of a run", async () => {
    const run = join(folder, "run");
    await mkdir(join(run, "checkpoints"), { recursive: true });
    await writeFile(join(run, "checkpoints", "step-00000099.safetensors"), "broken");
    await writeFile(join(run, "checkpoints", "step-100.safetensors"), checkpoint);
    await writeFile(join(run, "checkpoints", "step-00000101.safetensors.1.tmp"), "broken");
    expect((await found({ run, engine: "tfjs" })).boxes.length).toBeGreaterThan(0);
    const empty = join(folder, "empty");
    await mkdir(empty);
    expect((await refusal({ run: empty })).message).toMatch(
      /empty has no checkpoint \(looked for .*step-\*\.safetensors/,
    );
    const missing = await refusal({ run: join(folder, "nowhere") });
    expect(missing).toBeInstanceOf(CheckpointError);
    expect(missing.message).toMatch(/nowhere cannot be read: ENOENT.* Give a run's folder or a model file\./);
    expect((await refusal({})).message).toMatch(/Give one of them/);
    expect((await refusal({ run, file: checkpoint })).message).toMatch(/Give one of them/);
  });

  it("takes paths and content of image files", async () => {
    const made = await createDetector({ file: exported });
    const { height, width, data } = image;
    const png = await sharp(data, { raw: { height, width, channels: 3 } })
      .png()
      .toBuffer();
    const path = join(folder, "image.png");
    await writeFile(path, png);
    const wanted = (await made.detect(image, ALL)).objects;
    for (const input of [path, png, new Uint8Array(png)]) {
      expect((await made.detect(input, ALL)).objects).toEqual(wanted);
    }
    const each = [];
    for await (const result of made.detectEach([path, png])) each.push(result.image);
    expect(each).toEqual([path, png]);
    await expect(made.detect(join(folder, "none.png"))).rejects.toMatchObject({ code: "dataset" });
    await made.close();
  });

  it("prepares images as the file says, or as it is told", async () => {
    expect((await found({ file: exported })).input).toEqual({ height: 64, width: 96 });
    const told = { size: { shorter: 32, longer: 64 }, padTo: 64 };
    for (const file of [checkpoint, exported]) {
      expect((await found({ file, ...told })).input).toEqual({ height: 64, width: 64 });
    }
    const silent = await checkpointOf(detector, null);
    const refused = await refusal({ file: silent });
    expect(refused).toBeInstanceOf(ConfigError);
    expect(refused.message).toMatch(/the model does not say how its images were prepared\. Pass size/);
    const { normalise, ...size } = { ...told, normalise: { mean: DATA.mean, std: DATA.std } as never };
    expect((await found({ file: silent, ...size, normalise })).input).toEqual({ height: 64, width: 64 });
    const fixed = await exportedOf(detector, { size: { height: 64, width: 128 }, metadata: {} });
    expect((await found({ file: fixed })).input).toEqual({ height: 64, width: 128 });
    const wrong = await checkpointOf(detector, { data: { ...DATA, padTo: "wide" } });
    expect((await refusal({ file: wrong })).message).toMatch(/data\.padTo/);
  });

  it("leaves normalising to a model that does it itself", async () => {
    const normalise = { mean: DATA.mean, std: DATA.std } as never;
    const inside = await exportedOf(detector, { normalise });
    const [own, plain] = [await found({ file: inside }), await found({ file: exported })];
    expect(own.boxes).toEqual(plain.boxes);
    expect(own.madds).toBe(plain.madds);
  });

  it("refuses files that are cut, of either format", async () => {
    for (const whole of [checkpoint, exported]) {
      for (const cut of [0, 1, 7, 9, 200, whole.length >> 1, whole.length - 1]) {
        const error = await refusal({ file: whole.subarray(0, cut) });
        expect(error, `cut at ${cut}`).toBeInstanceOf(CheckpointError);
        expect(error.message).toMatch(/^the model/);
      }
    }
  });

  it("refuses files of which one byte was changed, wherever", async () => {
    const random = createRandom(2);
    for (const whole of [checkpoint, exported]) {
      const places = Array.from({ length: 25 }, () => random.int(whole.length));
      for (const at of [0, 8, 9, whole.length - 1, ...places]) {
        const changed = Uint8Array.from(whole);
        changed[at]! ^= 4;
        expect(await refusal({ file: changed }), `changed at ${at}`).toBeInstanceOf(CheckpointError);
      }
    }
  });

  it("refuses files of another version, kind or class table", async () => {
    const { arrays, metadata } = parseSafetensors(checkpoint);
    const { sha256: _, ...others } = metadata;
    const written = (changes: Record<string, string>) => serializeSafetensors(arrays, { ...others, ...changes });
    expect((await refusal({ file: written({ format: "caddet-detector/9" }) })).message).toMatch(/no hash/);
    expect(await refusal({ file: new TextEncoder().encode("<!doctype html>") })).toBeInstanceOf(CheckpointError);
    expect((await refusal({ file: new Uint8Array(64) })).message).toMatch(/neither a safetensors nor an ONNX file/);
    const old = { format: "caddet-detector/1", classes: JSON.stringify(CLASSES.slice(1)) };
    expect((await refusal({ file: written(old) })).message).toMatch(/"head\.classes\.weight" has shape/);
    const { exportOnnx } = await import("@caddet/onnx");
    expect((await refusal({ file: await exportOnnx(detector) })).message).toMatch(/has no class table/);
    expect((await refusal({ file: exported, engine: "tfjs" })).message).toMatch(/is an ONNX file, which runs on/);
  });

  it("refuses weights that are not finite, by name", async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const state = await readState(detector);
      const broken = await movedDetector();
      (state.get("head.classes.weight")!.data as Float32Array)[7] = value;
      broken.loadStateDict(state);
      const file = await checkpointOf(broken);
      broken.dispose();
      for (const engine of ["auto", "tfjs", "onnx"] as const) {
        const error = await refusal({ file, engine });
        expect(error).toBeInstanceOf(CheckpointError);
        expect(error.message).toMatch(
          /the weight "head\.classes\.weight" has (NaN|Infinity) at 7\. The training diverged/,
        );
      }
    }
  });

  it("refuses engines that it does not know, and options that cannot be", async () => {
    const unknown = await refusal({ file: checkpoint, engine: "steam" as "onnx" });
    expect(unknown).toBeInstanceOf(ConfigError);
    expect(unknown.message).toBe('engine should be "auto", "tfjs" or "onnx", got "steam".');
    expect(await refusal({ file: checkpoint, engine: "tfjs", padTo: 0 })).toBeInstanceOf(ConfigError);
    expect(await refusal({ file: exported, batch: { images: 0 } })).toBeInstanceOf(ConfigError);
    const providers = { providers: ["abacus"] };
    expect((await refusal({ file: exported, onnx: providers })).message).toMatch(/cannot run the model on \[abacus\]/);
    expect((await refusal({ file: checkpoint, engine: "onnx", onnx: providers })).message).toMatch(/abacus/);
    const failing = { ...ort, InferenceSession: { create: () => Promise.reject(new Error("no shared library.")) } };
    const cuda = await refusal({ file: exported, onnx: { runtime: failing, providers: ["cuda", "cpu"] } });
    expect(cuda).toBeInstanceOf(ConfigError);
    expect(cuda.message).toMatch(/on \[cuda,cpu\]: no shared library\. For CUDA run `.* npm rebuild onnxruntime-node`/);
  });
});

describe("createDetector without Node", () => {
  it("takes bytes, on the backend that is there or the runtime that it is given", async () => {
    const before = tf.memory().numTensors;
    const wanted = await found({ file: checkpoint, engine: "tfjs" });
    for (const options of [
      { file: checkpoint },
      { file: exported, onnx: { runtime: ort, threads: 1 } },
      { file: checkpoint, engine: "onnx", onnx: { runtime: ort, threads: 1 } },
    ] as const) {
      const made = await createAnywhere(options);
      const { objects } = await made.detect(image, ALL);
      expect(objects.map(({ box }) => box.map(Math.round))).toEqual(wanted.boxes);
      await made.close();
    }
    expect(tf.memory().numTensors).toBe(before);
    await expect(createAnywhere({ file: exported })).rejects.toThrow(
      'The engine "onnx" needs an onnxruntime. Pass it: onnx: { runtime: await import("onnxruntime-web") }.',
    );
  });

  it("fetches an address, and says what the server said", async () => {
    const server = createServer((request, response) => {
      response.writeHead(request.url === "/model" ? 200 : 404).end(Buffer.from(checkpoint));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const made = await createAnywhere({ file: `${at}/model`, engine: "tfjs" });
    expect(made.engine).toBe("tfjs");
    await made.close();
    const missing = createAnywhere({ file: new URL(`${at}/none`) });
    await expect(missing).rejects.toThrow(`${at}/none cannot be fetched: the server answers 404. Check the address.`);
    await expect(missing).rejects.toThrow(CheckpointError);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(createAnywhere({ file: `${at}/model` })).rejects.toThrow(CheckpointError);
  });
});
