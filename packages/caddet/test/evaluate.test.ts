import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadResults } from "@caddet/coco/node";
import { serializeSafetensors } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let run: string;
const evaluate = (from: string, ...more: string[]) =>
  call("evaluate", "--run", from, "--data", set.folder, "--backend", "wasm", ...more);

beforeAll(async () => {
  set = await drawSet();
  run = set.path("run");
  const { code, err } = await call(
    ...["train", "--data", set.folder, "--out", run, "--config", set.configFile, "--backend", "wasm"],
  );
  expect(code, err).toBe(0);
});
afterAll(() => set.remove());

describe("caddet evaluate", () => {
  it("gives COCO's twelve numbers, cost and time, and keeps no tensor", async () => {
    const before = tf.memory().numTensors;
    const called = await evaluate(run, "--json");
    expect(called.code, called.err).toBe(0);
    const { stats, madds, ms, images, backend, skipped } = called.json() as {
      stats: number[];
      madds: Record<"max" | "mean" | "min" | "std", number>;
      ms: { median: number };
      [key: string]: unknown;
    };
    expect(stats).toHaveLength(12);
    for (const v of stats) expect(v === -1 || (v >= 0 && v <= 1)).toBe(true);
    expect(Object.keys(madds).sort()).toEqual(["max", "mean", "min", "std"]);
    expect(madds.min).toBeGreaterThan(0);
    expect(madds.mean).toBeGreaterThanOrEqual(madds.min);
    expect(madds.max).toBeGreaterThanOrEqual(madds.mean);
    expect(Object.keys(ms)).toEqual(["median"]);
    expect(ms.median).toBeGreaterThan(0);
    expect({ images, backend, skipped }).toEqual({
      images: 4,
      backend: "wasm",
      skipped: { annotations: {}, files: {} },
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it("takes another split, the first images of it, and a checkpoint by its file", async () => {
    const file = join(run, "checkpoints", "step-00000002.safetensors");
    const limited = await evaluate(file, "--json", "--split", "train", "--limit", "3");
    expect(limited.code, limited.err).toBe(0);
    expect(limited.json()).toMatchObject({ images: 3 });
    expect(limited.err).toContain("3/3 images\n");
  });

  it("writes the detections in COCO's format, in source pixels", async () => {
    const file = set.path("results.json");
    const { code, err } = await evaluate(run, "--results", file);
    expect(code, err).toBe(0);
    const { imageIds, categoryIds, boxes } = await loadResults(file);
    expect(imageIds.length).toBeGreaterThan(0);
    expect([...new Set(imageIds)].every((id) => [1, 2, 3, 4].includes(id))).toBe(true);
    expect([...new Set(categoryIds)].every((id) => id === 3 || id === 7)).toBe(true);
    expect(boxes.every((v) => v >= -0.01 && v <= 64.01)).toBe(true);
  });

  it("writes the routes that a report is made of", async () => {
    const [results, gates, out] = ["routed.json", "gates.json", "report.html"].map((name) => set.path(name)) as [
      string,
      string,
      string,
    ];
    const evaluated = await evaluate(run, "--results", results, "--gates", gates, "--json");
    expect(evaluated.code, evaluated.err).toBe(0);
    const options = ["--data", set.folder, "--results", results, "--gates", gates, "--out", out, "--json"];
    const reported = await call("report", "--run", run, ...options);
    expect(reported.code, reported.err).toBe(0);
    expect(reported.json()).toMatchObject({ images: 4, ap: (evaluated.json() as { stats: number[] }).stats[0] });
  });

  it("tells people in words", async () => {
    const { out } = await evaluate(run);
    expect(out).toMatch(/^AP {8}-?\d\.\d{3}\nAP50 /);
    expect(out).toMatch(/^blocks and paths, M MAdds: mean \d+\.\d, min /m);
    expect(out).toMatch(/^\d+\.\d ms an image \(median, batch 1, network and NMS\) on wasm$/m);
  });

  it("refuses a set of other classes", async () => {
    const other = await drawSet();
    await other.change("val", (json) => {
      json.categories.push({ id: 9, name: "more" });
      return undefined;
    });
    const before = tf.memory().numTensors;
    const called = await call("evaluate", "--run", run, "--data", other.folder, "--backend", "wasm");
    await other.remove();
    expect(errorOf(called)).toMatch(/knows 2 classes \(ids 3\.\.7\), the data set has 3 others \(ids 3\.\.9\)/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses a split that is not there, or climbs", async () => {
    expect(errorOf(await evaluate(run, "--split", "test"))).toMatch(/^No file .*instances_test\.json or /);
    expect(errorOf(await evaluate(run, "--split", "../val"))).toContain("A split is named by letters");
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    ["nothing", async () => set.path("none"), /none is not there\. --run takes a run's folder or a model file\.$/],
    ["a folder without checkpoint", async () => set.folder, /set has no checkpoint \(looked for /],
    [
      "a checkpoint that is cut",
      async () => {
        const bytes = await readFile(join(run, "checkpoints", "step-00000002.safetensors"));
        await writeFile(set.path("cut.safetensors"), bytes.subarray(0, bytes.length / 2));
        return set.path("cut.safetensors");
      },
      /cut\.safetensors: .* bytes/,
    ],
    ["an image", async () => join(set.folder, "val", "1.jpg"), /1\.jpg: The header claims /],
    [
      "another program's weights",
      async () => {
        await writeFile(set.path("other.safetensors"), serializeSafetensors(new Map(), { format: "pt" }));
        return set.path("other.safetensors");
      },
      /other\.safetensors: expected a file of format caddet-detector\/\d, got pt\./,
    ],
  ])("says what is wrong with --run at %s", async (_, from, message) => {
    expect(errorOf(await evaluate(await from()))).toMatch(message);
  });
});
