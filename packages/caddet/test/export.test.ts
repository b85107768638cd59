// Exports of a small detector, run in onnxruntime-node.
import { createHash } from "node:crypto";
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readState } from "@caddet/core";
import { readOnnxMetadata } from "@caddet/onnx";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkExport } from "../src/export-check";
import { loadModel } from "../src/model-file";
import { loadOnnxRuntime } from "../src/onnxruntime";
import { call, errorOf } from "./call";
import { CLASSES, PATHS, writeModel } from "./drawn-model";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let model: string;
let image: string;
beforeAll(async () => {
  set = await drawSet();
  model = await writeModel(set.path("model.safetensors"));
  image = join(set.folder, "val", "1.jpg");
});
afterAll(() => set.remove());

const exported = (out: string, ...args: string[]) =>
  call("export", "--run", model, "--out", set.path(out), "--backend", "wasm", ...args);

interface Report {
  readonly mode: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly inputs: readonly { name: string; type: string; shape: readonly (number | string)[] }[];
  readonly outputs: readonly { name: string; type: string; shape: readonly (number | string)[] }[];
  readonly check: { largest: number; of: string; numbers: number } | null;
}

describe("caddet export", () => {
  it("writes one file that detects what the run does, and keeps no tensor", async () => {
    const before = tf.memory().numTensors;
    const called = await exported("model.onnx", "--json", "--check");
    expect(called.code, called.err).toBe(0);
    expect(tf.memory().numTensors).toBe(before);
    const report = called.json() as unknown as Report;
    const bytes = await readFile(set.path("model.onnx"));
    expect(report).toMatchObject({
      mode: "dynamic",
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    });
    expect(report.inputs).toEqual([
      { name: "images", type: "float32", shape: ["batch", "height", "width", 3] },
      { name: "sizes", type: "float32", shape: ["batch", 4] },
    ]);
    expect(report.outputs.map(({ name }) => name)).toEqual([
      "boxes",
      "scores",
      "labels",
      "image_index",
      "gates",
      "madds",
    ]);
    expect(report.check!.largest).toBeLessThan(1e-4);
    expect(report.check!.numbers).toBeGreaterThan(PATHS + 1);

    const detect = (run: string, ...more: string[]) =>
      call("detect", "--run", run, "--image", image, "--threshold", "0", "--max", "5", "--json", ...more);
    const [ours, theirs] = [
      await detect(model, "--engine", "tfjs", "--backend", "wasm"),
      await detect(set.path("model.onnx")),
    ].map(
      (one) =>
        one.json() as {
          detections: { label: string; score: number; box: number[] }[];
          madds: number;
          backend: unknown;
        },
    );
    expect(theirs!.backend).toBeNull();
    expect(theirs!.madds).toBe(ours!.madds);
    expect(theirs!.detections).toHaveLength(5);
    for (const [n, { label, score, box }] of ours!.detections.entries()) {
      const other = theirs!.detections[n]!;
      expect(other.label).toBe(label);
      expect(Math.abs(other.score - score)).toBeLessThan(1e-3);
      for (const [k, v] of box.entries()) expect(Math.abs(other.box[k]! - v)).toBeLessThan(1e-2);
    }
  });

  it("says in the file how images are prepared, and what the classes are", async () => {
    expect((await exported("said.onnx")).code).toBe(0);
    const { preparation, classes, mode } = await readOnnxMetadata(await readFile(set.path("said.onnx")));
    expect(JSON.parse(preparation!)).toEqual({
      shorter: 64,
      longer: 96,
      padTo: expect.any(Number),
      mean: [123.675, 116.28, 103.53],
      std: [58.395, 57.12, 57.375],
    });
    expect([JSON.parse(classes!), mode]).toEqual([CLASSES, "dynamic"]);
  });

  it("freezes the route of an image in", async () => {
    const called = await exported("fixed.onnx", "--route-of", image, "--size", "64x64", "--check", "--json");
    expect(called.code, called.err).toBe(0);
    const report = called.json() as unknown as Report;
    expect(report).toMatchObject({ mode: "fixed", check: { largest: expect.any(Number) } });
    expect(report.inputs[0]).toMatchObject({ shape: ["batch", 64, 64, 3] });
    const { route, size } = await readOnnxMetadata(await readFile(set.path("fixed.onnx")));
    expect(JSON.parse(route!)).toHaveLength(PATHS);
    expect(JSON.parse(size!)).toEqual({ height: 64, width: 64 });
  });

  it("freezes a route of a file in", async () => {
    const gates = Array.from({ length: PATHS }, (_, n) => (n % 3 === 0 ? 0 : 0.5));
    await writeFile(set.path("route.json"), JSON.stringify(gates));
    const called = await exported("route.onnx", "--route", set.path("route.json"), "--mode", "fixed", "--check");
    expect(called.code, called.err).toBe(0);
    const { route } = await readOnnxMetadata(await readFile(set.path("route.onnx")));
    expect(JSON.parse(route!)).toEqual(gates);
  });

  it.each(["raw", "features"])("exports the %s maps", async (output) => {
    const called = await exported(`${output}.onnx`, "--mode", "masked", "--output", output, "--check", "--json");
    expect(called.code, called.err).toBe(0);
    const { outputs, check } = called.json() as unknown as Report;
    expect(outputs.at(0)!.name).toBe(output === "raw" ? "classes_0" : "features_0");
    expect(check!.largest).toBeLessThan(1e-4);
    expect(check!.numbers).toBeGreaterThan(500);
  });

  it("tells people in words", async () => {
    const { out } = await exported("words.onnx", "--check");
    expect(out).toMatch(/words\.onnx: \d+\.\d\d MB, mode dynamic\nsha256 [0-9a-f]{64}\n/);
    expect(out).toMatch(/^takes +images +float32 \[batch, height, width, 3\]$/m);
    expect(out).toMatch(/^gives +boxes +float32 \[/m);
    expect(out).toMatch(/^largest difference from the detector \d\.\de-\d, of \w+; \d+ numbers compared$/m);
  });

  it.each<[string, string, RegExp]>([
    ["is missing", "", /route\.bad\.json is no route: ENOENT/],
    ["is not JSON", "gates", /is no route: it is not JSON\. Expected a JSON list of gates/],
    ["is no list", "{}", /it is not a list/],
    ["has a gate above 1", "[0, 1.5]", /entry 1 is 1\.5/],
    ["has NaN", "[null]", /entry 0 is null/],
    ["has too few", "[1, 1]", /A route of this supernet is 19 gates from 0 to 1, one a path, got 2/],
  ])("says what is wrong with a route that %s", async (_, text, message) => {
    const file = set.path("route.bad.json");
    if (text) await writeFile(file, text);
    expect(errorOf(await exported("never.onnx", "--route", file))).toMatch(message);
    await expect(access(set.path("never.onnx"))).rejects.toThrow("ENOENT");
  });

  it("leaves nothing behind where it cannot write", async () => {
    await writeFile(set.path("file"), "a file");
    expect(errorOf(await exported("file/model.onnx"))).toMatch(/model\.onnx could not be written: /);
    expect(await readFile(set.path("file"), "utf8")).toBe("a file");
    expect((await readdir(set.path("."))).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("keeps no tensor where the image of the route is broken", async () => {
    const before = tf.memory().numTensors;
    await writeFile(set.path("broken.jpg"), "no image");
    expect(errorOf(await exported("never.onnx", "--route-of", set.path("broken.jpg")))).toContain(
      "broken.jpg cannot be used",
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("checkExport", () => {
  it("refuses a file that computes something else", async () => {
    const other = await writeModel(set.path("other.safetensors"));
    expect((await call("export", "--run", other, "--out", set.path("other.onnx"))).code).toBe(0);
    const before = tf.memory().numTensors;
    const loaded = await loadModel(model);
    const bytes = await readFile(set.path("other.onnx"));
    const check = {
      model: loaded,
      bytes,
      output: "detections",
      size: { height: 64, width: 64 },
      runtime: loadOnnxRuntime(),
    } as const;
    await expect(checkExport(check)).resolves.toMatchObject({ largest: expect.any(Number) });
    const state = await readState(loaded.detector);
    const moved = [...state].find(([name]) => name.startsWith("backbone.stem") && name.endsWith("weight"))!;
    for (const i of moved[1].data.keys()) moved[1].data[i] = 1.5 * Number(moved[1].data[i]);
    loaded.detector.loadStateDict(state);
    const failure = await checkExport(check).catch((error: Error) => error);
    loaded.detector.dispose();
    expect(failure).toMatchObject({
      code: "export-check",
      message: expect.stringMatching(/does not compute what its detector does/),
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("an exported file", () => {
  it("is refused where weights are needed", async () => {
    await exported("weights.onnx");
    const run = set.path("weights.onnx");
    const text = errorOf(await call("export", "--run", run, "--out", set.path("again.onnx")));
    expect(text).toMatch(/weights\.onnx is an ONNX file, from which weights cannot be taken/);
    expect(errorOf(await call("evaluate", "--run", run, "--data", set.folder, "--split", "val"))).toBe(text);
    expect(errorOf(await call("detect", image, "--run", run, "--engine", "tfjs"))).toMatch(
      /weights\.onnx is an ONNX file/,
    );
  });

  it.each(["onnx", "safetensors"])("and a .%s file with a changed byte are refused", async (format) => {
    await exported("whole.onnx");
    const bytes = await readFile(format === "onnx" ? set.path("whole.onnx") : model);
    const at = bytes.length >> 1;
    bytes[at]! ^= 1;
    const file = set.path(`changed.${format}`);
    await writeFile(file, bytes);
    const before = tf.memory().numTensors;
    expect(errorOf(await call("detect", image, "--run", file))).toMatch(/changed\.\w+: its bytes have SHA-256 /);
    if (format === "safetensors") {
      expect(errorOf(await call("export", "--run", file, "--out", set.path("never.onnx")))).toMatch(/SHA-256/);
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});
