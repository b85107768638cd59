import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { writeModel } from "./drawn-model";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let model: string;
beforeAll(async () => {
  set = await drawSet();
  model = await writeModel(set.path("model.safetensors"));
});
afterAll(() => set.remove());

const bench = (...args: string[]) =>
  call("bench", "infer", "--runs", "3", "--size", "50x90", "--backend", "wasm", ...args);

interface Row {
  readonly engine: string;
  readonly ms: { readonly median: number; readonly p95: number };
  readonly imagesPerSecond: number;
  readonly madds: number;
  readonly peakRssMib: number;
}

describe("caddet bench infer", () => {
  it("measures every engine on the same picture, and keeps no tensor", async () => {
    const before = tf.memory().numTensors;
    const called = await bench("--run", model, "--json");
    expect(called.code, called.err).toBe(0);
    expect(tf.memory().numTensors).toBe(before);
    const { rows, ...rest } = called.json() as { rows: Row[] } & Record<string, unknown>;
    expect(rest).toEqual({ size: { height: 50, width: 90 }, runs: 3, skipped: [] });
    expect(rows.map(({ engine }) => engine)).toEqual(["onnx", "tfjs"]);
    for (const { ms, imagesPerSecond, peakRssMib } of rows) {
      expect(ms.median).toBeGreaterThan(0);
      expect(ms.p95).toBeGreaterThanOrEqual(ms.median);
      expect(imagesPerSecond).toBeGreaterThan(0);
      expect(peakRssMib).toBeGreaterThan(50);
    }
    expect(rows[0]!.madds).toBe(rows[1]!.madds);
  });

  it("says which engine does not work, and goes on", async () => {
    const file = set.path("model.onnx");
    expect((await call("export", "--run", model, "--out", file)).code).toBe(0);
    const called = await bench("--run", file);
    expect(called.code, called.err).toBe(0);
    expect(called.err).toMatch(/^tfjs does not work here: .*model\.onnx is an ONNX file/m);
    expect(called.out).toMatch(/^engine +median ms +p95 ms +img\/s +M MAdds +peak MiB\nonnx +\d/m);
    expect(called.out).toMatch(/^onnx: onnxruntime-node /m);
  });

  it("fails where the engine that was asked for does not work, or there is no run", async () => {
    const file = set.path("model.onnx");
    expect(errorOf(await bench("--run", file, "--engine", "tfjs"))).toMatch(/model\.onnx is an ONNX file/);
    expect(errorOf(await bench("--run", set.path("none")))).toMatch(/none is not there\./);
  });
});
