// Runs a fresh bundle in processes of their own: workers take JavaScript, and these tests need no build.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DatasetError } from "@caddet/core";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateFiles } from "../src/node";

const folder = mkdtempSync(join(tmpdir(), "caddet-evaluate-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const CALL = `
import { createHash } from "node:crypto";
import { evaluateFiles } from "./evaluate.js";
const [, , gt, dt, threads] = process.argv;
try {
  const result = await evaluateFiles({ gt, dt, threads: Number(threads) });
  const hashes = [result.precision, result.scores, result.recall, result.stats, result.results.boxes].map((values) =>
    createHash("sha256").update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)).digest("hex"));
  console.log(JSON.stringify({ threads: result.threads, hashes, warnings: result.warnings, stats: [...result.stats] }));
} catch (error) {
  console.log(JSON.stringify({ name: error.name, message: error.message }));
}
`;

interface Outcome {
  readonly threads: number;
  readonly hashes: readonly string[];
  readonly warnings: readonly string[];
  readonly stats: readonly number[];
  readonly message?: string;
}

async function evaluated(gt: string, dt: string, threads: number): Promise<Outcome> {
  const args = [join(folder, "call.mjs"), gt, dt, String(threads)];
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
}

// A small set whose results take some megabytes; `entry` may change an entry's text.
function drawSet(name: string, entry: (text: string, n: number) => string) {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const categories = [4, 2, 9, 30, 31].map((id) => ({ id, name: `class ${id}` }));
  const images = Array.from({ length: 60 }, (_, n) => ({
    id: (n * 37) % 101,
    file_name: `${n}.jpg`,
    width: 640,
    height: 480,
  }));
  const annotations = Array.from({ length: 900 }, (_, n) => {
    const bbox = [random() * 500, random() * 400, 5 + random() * 120, 5 + random() * 70];
    const [image, category] = [Math.floor(random() * 60), Math.floor(random() * 4)];
    return {
      id: n,
      image_id: images[image]!.id,
      category_id: categories[category]!.id,
      bbox,
      area: bbox[2]! * bbox[3]!,
      iscrowd: random() < 0.02 ? 1 : 0,
    };
  });
  const entries = Array.from({ length: 24_000 }, (_, n) => {
    const { image_id, category_id, bbox } = annotations[Math.floor(random() * annotations.length)]!;
    const moved = bbox.map((v) => v * (1 + (random() - 0.5) * 0.2));
    return entry(JSON.stringify({ image_id, category_id, bbox: moved, score: random() }), n);
  });
  return {
    gt: file(`${name}-gt.json`, JSON.stringify({ images, categories, annotations })),
    dt: file(`${name}-dt.json`, `[${entries.join(",\n")}]`),
  };
}

describe("evaluateFiles", () => {
  const plain = drawSet("plain", (text) => text);

  beforeAll(async () => {
    const source = (name: string) => fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url));
    await build({
      entryPoints: { evaluate: source("evaluation"), "results-worker": source("results/results-worker") },
      outdir: folder,
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      target: "es2022",
      conditions: ["@caddet/source"],
    });
    file("package.json", '{ "type": "module" }');
    file("call.mjs", CALL);
  });

  it("gives the same bytes with one, two and three threads", async () => {
    const one = await evaluated(plain.gt, plain.dt, 1);
    expect(one.threads).toBe(1);
    expect(one.stats[0]).toBeGreaterThan(0.05);
    expect(one.warnings.join()).toContain("annotation of id 0");
    for (const threads of [2, 3]) expect(await evaluated(plain.gt, plain.dt, threads)).toEqual({ ...one, threads });
  });

  it("is not misled by what looks like the start of an entry", async () => {
    const note = JSON.stringify(`},{"image_id":0,"category_id":4},{`);
    const { gt, dt } = drawSet("noted", (text) => `${text.slice(0, -1)},"note":${note},"more":[{},{"a":1},{}]}`);
    const two = await evaluated(gt, dt, 2);
    expect(two.threads).toBe(2);
    expect(two.hashes).toEqual((await evaluated(plain.gt, plain.dt, 1)).hashes);
  });

  it("tells an error of any part as one thread does", async () => {
    const { gt, dt } = drawSet("broken", (text, n) => (n === 23_000 ? text.replace("score", "scorn") : text));
    const [one, two] = [await evaluated(gt, dt, 1), await evaluated(gt, dt, 2)];
    expect(one.message).toContain("detection 23000 of image");
    expect(two).toEqual(one);
    const foreign = drawSet("foreign", (text, n) => (n === 23_000 ? text.replace(/\d+/, "4711") : text));
    expect((await evaluated(foreign.gt, foreign.dt, 2)).message).toContain("Detection 23000 belongs to image 4711");
  });

  it("takes one thread for small files, and says what it read", async () => {
    const gt = file("one-gt.json", '{ "images": [], "categories": [], "annotations": [] }');
    const result = await evaluateFiles({ gt, dt: file("one-dt.json", "[]"), threads: 8 });
    expect([result.threads, result.truth.images.ids.length, result.results.scores.length]).toEqual([1, 0, 0]);
    expect([...result.stats]).toEqual(new Array(12).fill(-1));
  });

  it("names a missing file", async () => {
    const missing = join(folder, "none.json");
    await expect(evaluateFiles({ gt: plain.gt, dt: missing })).rejects.toThrow(DatasetError);
    await expect(evaluateFiles({ gt: missing, dt: plain.dt })).rejects.toThrow("none.json");
  });
});
