// `caddet report` on a run that was trained here for two steps: what is on the page with and without an evaluation, and what it says of
// missing, broken and hostile input.
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, errorOf } from "../call";
import { type DrawnSet, drawSet } from "../drawn-set";

let set: DrawnSet;
let run: string;
const HOSTILE = '</title><script>alert("1")</script>';
const report = (from: string, ...more: string[]) =>
  call("report", "--run", from, "--backend", "wasm", "--json", ...more);
const page = (from: string) => readFile(join(from, "report.html"), "utf8");
const idsOf = (html: string) => [...html.matchAll(/<section id="([\w-]+)"/g)].map(([, id]) => id);

/** Fails unless the page needs nothing but itself. */
function expectOffline(html: string): void {
  expect(html.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
    /(?:https?|file|ftp):|@import|url\(|<script|<link|<iframe/i,
  );
  expect([...html.matchAll(/\s(?:href|src)="([^"]*)"/g)].every(([, to]) => /^(?:#|data:image\/)/.test(to!))).toBe(true);
}

beforeAll(async () => {
  set = await drawSet();
  for (const split of ["train", "val"] as const) {
    await set.change(split, (json) => {
      json.categories[0]!.name = HOSTILE;
      return undefined;
    });
  }
  run = set.path("run");
  const trained = await call(
    "train",
    "--data",
    set.folder,
    "--out",
    run,
    "--config",
    set.configFile,
    "--backend",
    "wasm",
  );
  expect(trained.code, trained.err).toBe(0);
});
afterAll(() => set.remove());

describe("caddet report", () => {
  it("shows training and configuration, and says that there is no evaluation", async () => {
    const called = await report(run);
    expect(called.code, called.err).toBe(0);
    expect(called.json()).toMatchObject({ report: join(run, "report.html"), step: 2, images: null, ap: null });
    const html = await page(run);
    expect(idsOf(html)).toEqual(["summary", "training", "configuration"]);
    expect(html).toContain("was not evaluated for this report");
    expect(html).not.toContain('http-equiv="refresh"');
    expectOffline(html);
  });

  it("evaluates, and shows accuracy, cost, routes, similarity and detections; keeps no tensor", async () => {
    const before = tf.memory().numTensors;
    const called = await report(run, "--data", set.folder, "--images", "2");
    expect(called.code, called.err).toBe(0);
    expect(tf.memory().numTensors).toBe(before);
    const evaluated = await call("evaluate", "--run", run, "--data", set.folder, "--backend", "wasm", "--json");
    const { stats } = evaluated.json() as { stats: number[] };
    expect(called.json()).toMatchObject({ images: 4, ap: stats[0], remarks: [] });
    const html = await page(run);
    expect(idsOf(html)).toEqual([
      ...["summary", "accuracy", "cost", "routes", "similarity", "detections", "training", "configuration"],
    ]);
    expect(html.match(/data:image\/jpeg/g)).toHaveLength(2);
    expect(html).toContain("Mean route of 2 easy images");
    expect(html).toContain("Path similarity (Eq. 6)");
    expectOffline(html);
    expect(html).not.toContain(HOSTILE);
    expect(html).toContain("&lt;/title&gt;&lt;script&gt;");
  });

  it("takes saved detections, and says that routes are missing", async () => {
    const file = set.path("results.json");
    await call("evaluate", "--run", run, "--data", set.folder, "--backend", "wasm", "--results", file);
    const called = await report(run, "--data", set.folder, "--results", file);
    expect(called.code, called.err).toBe(0);
    const html = await page(run);
    expect(idsOf(html)).toEqual(["summary", "accuracy", "detections", "training", "configuration"]);
    expect(html).toContain("Saved detections come without routes");
  });

  it("takes saved routes beside them, and leaves out those of another network", async () => {
    const [results, gates] = [set.path("none.json"), set.path("gates.json")];
    await writeFile(results, "[]");
    const save = (paths: number) => {
      const images = [1, 2, 3].map((id) => ({ id, madds: id * 1e5, gates: new Array(paths).fill(1) }));
      return writeFile(gates, JSON.stringify({ format: "caddet-gates/1", images }));
    };
    await save(19);
    const fits = await report(run, "--data", set.folder, "--results", results, "--gates", gates);
    expect(fits.code, fits.err).toBe(0);
    expect(fits.json()).toMatchObject({ images: 3, remarks: [] });
    expect(idsOf(await page(run))).toContain("routes");
    await save(3);
    const other = await report(run, "--data", set.folder, "--results", results, "--gates", gates);
    expect(other.json()).toMatchObject({ remarks: [expect.stringContaining("not of this run's network")] });
    expect(idsOf(await page(run))).not.toContain("routes");
  });

  it("shows one image, and an evaluation that found nothing", async () => {
    const results = set.path("none.json");
    await writeFile(results, "[]");
    const one = await report(run, "--data", set.folder, "--limit", "1");
    expect(one.code, one.err).toBe(0);
    const html = await page(run);
    expect(html).toContain("Mean route of 1 image");
    expect(idsOf(html)).not.toContain("similarity");
    const none = await report(run, "--data", set.folder, "--results", results);
    expect(none.json()).toMatchObject({ ap: 0 });
  });

  it("stays below 5 MB for 350 images of noise, all of them asked for", async () => {
    const many = await drawSet();
    const random = createRandom(1);
    const noise = Uint8Array.from({ length: 640 * 480 * 3 }, () => random.int(256));
    await sharp(noise, { raw: { width: 640, height: 480, channels: 3 } })
      .jpeg()
      .toFile(join(many.folder, "val", "noise.jpg"));
    await many.change("val", (json) => {
      json.images.push(
        ...Array.from({ length: 346 }, (_, i) => ({ id: 10 + i, file_name: "noise.jpg", width: 640, height: 480 })),
      );
      return undefined;
    });
    const results = set.path("none.json");
    await writeFile(results, "[]");
    const called = await report(run, "--data", many.folder, "--results", results, "--images", "350");
    await many.remove();
    expect(called.code, called.err).toBe(0);
    const { bytes, images } = called.json() as { bytes: number; images: number };
    expect(images).toBe(350);
    expect(bytes).toBeLessThan(5e6);
    const html = await page(run);
    expect(html).toMatch(/No more than \d+ images fit on this page/);
    expect(html.match(/data:image/g)!.length).toBeGreaterThan(12);
  });

  it("names an image that cannot be shown", async () => {
    const file = join(set.folder, "val", "1.jpg");
    const bytes = await readFile(file);
    const results = set.path("none.json");
    await writeFile(results, "[]");
    await writeFile(file, "no image");
    const called = await report(run, "--data", set.folder, "--results", results);
    await writeFile(file, bytes);
    expect(called.code, called.err).toBe(0);
    expect(await page(run)).toContain("1.jpg cannot be shown");
  });

  it("says what is wrong where the data set has other classes, and shows the rest", async () => {
    const other = await drawSet();
    await other.change("val", (json) => {
      json.categories.push({ id: 9, name: "more" });
      return undefined;
    });
    const more = await report(run, "--data", other.folder);
    expect(more.code, more.err).toBe(0);
    expect(more.json()).toMatchObject({ images: null, remarks: [expect.stringContaining("knows 2 classes")] });
    await other.change("val", (json) => {
      json.categories.pop();
      return undefined;
    });
    const renamed = await report(run, "--data", other.folder);
    await other.remove();
    expect(renamed.json()).toMatchObject({
      images: 4,
      remarks: [expect.stringContaining("1 of the run's 2 classes are others")],
    });
  });

  it("reports a run whose checkpoints are gone or broken, with what it has", async () => {
    const young = set.path("young");
    await mkdir(join(young, "checkpoints"), { recursive: true });
    for (const name of ["config.json", "metrics.jsonl"]) await copyFile(join(run, name), join(young, name));
    const none = await report(young, "--data", set.folder);
    expect(none.json()).toMatchObject({ remarks: [expect.stringContaining("has no checkpoint to evaluate")] });
    const [checkpoint] = await readdir(join(run, "checkpoints"));
    const bytes = await readFile(join(run, "checkpoints", checkpoint!));
    await writeFile(join(young, "checkpoints", checkpoint!), bytes.subarray(0, bytes.length / 2));
    const cut = await report(young);
    expect(cut.code, cut.err).toBe(0);
    expect(idsOf(await page(young))).toEqual(["summary", "training", "configuration"]);
    await rm(young, { recursive: true });
  });

  it("refuses a folder that is no run, and options that do not go together", async () => {
    expect(errorOf(await report(set.folder))).toContain("config.json is not there");
    expect(errorOf(await report(run, "--results", "x.json"))).toContain("--results needs --data");
    expect(errorOf(await report(run, "--data", set.folder, "--gates", "x.json"))).toContain("--gates needs --results");
  });
});
