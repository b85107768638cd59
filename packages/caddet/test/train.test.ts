import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { serializeSafetensors } from "@caddet/core";
import { readDetectorFile } from "@caddet/detector";
import { bestCheckpoint, lockRunFolder, readMetrics, runFolder } from "@caddet/trainer/node";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let run: string;
const train = (out: string, ...more: string[]) =>
  call("train", "--data", set.folder, "--out", out, "--backend", "wasm", "--json", ...more);
const fresh = (name: string, ...more: string[]) => train(set.path(name), "--config", set.configFile, ...more);

// Everything in a run's folder, by name.
async function filesOf(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = names.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(path, "base64")] as const)));
}

beforeAll(async () => {
  set = await drawSet();
  run = set.path("run");
  const { code, err } = await train(run, "--config", set.configFile);
  expect(code, err).toBe(0);
});
afterAll(() => set.remove());

describe("caddet train", () => {
  it("trains, says so as JSON on the last line, and keeps no tensor", async () => {
    const before = tf.memory().numTensors;
    const called = await fresh("first");
    expect(called.code, called.err).toBe(0);
    const json = called.json();
    expect(json).toMatchObject({
      run: set.path("first"),
      checkpoint: join(set.path("first"), "checkpoints", "step-00000002.safetensors"),
      step: 2,
      finished: true,
      backend: "wasm",
      skipped: { annotations: {}, files: {} },
    });
    expect(json.firstLoss).toBeGreaterThan(0);
    expect(json.lastLoss).toBe(json.firstLoss); // both are means over the same two steps
    expect(Object.keys(json.madds as object).sort()).toEqual(["max", "mean", "min", "std"]);
    expect(called.err).toMatch(/^backend wasm on /m);
    expect(called.err).toMatch(/^4 images, 2 classes; 2 steps$/m);
    expect(called.err).toMatch(/^step 2\/2 /m);
    expect((await readMetrics(runFolder(set.path("first")))).map(({ step }) => step)).toEqual([1, 2]);
    expect(await readFile(join(set.path("first"), "report.html"), "utf8")).toContain("finished, step 2 of 2");
    const [events] = await readdir(join(set.path("first"), "tensorboard"));
    const bytes = await readFile(join(set.path("first"), "tensorboard", events!), "latin1");
    for (const tag of ["detections/1", "routes/4"]) expect(bytes).toContain(tag);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("ends with the same weights when it is called again", async () => {
    await fresh("second");
    const weights = (name: string) => readFile(join(name, "checkpoints", "step-00000002.safetensors"));
    expect((await weights(set.path("second"))).equals(await weights(run))).toBe(true);
  });

  it("tells people in words", async () => {
    const { out } = await call(
      ...["train", "--data", set.folder, "--out", set.path("words"), "--backend", "wasm"],
      ...["--config", set.configFile, "--set", "schedule.maxSteps=1"],
    );
    expect(out).toMatch(/^1 steps done, .*step-00000001\.safetensors \(\d\.\d MB\)\n$/);
  });

  it("leaves a run alone that is there already", async () => {
    const before = await filesOf(run);
    const text = errorOf(await train(run, "--config", set.configFile));
    expect(text).toBe(
      `${run} holds a run already (newest checkpoint: step 2). Add --resume to go on, or choose another --out.`,
    );
    expect(await filesOf(run)).toEqual(before);
  });

  it("goes on with --resume, by the run's own configuration, to the bytes of one long run", async () => {
    await fresh("long", "--set", "schedule.maxSteps=3", "--set", "schedule.policy=constant");
    await fresh("parts", "--set", "schedule.policy=constant");
    const resumed = await train(set.path("parts"), "--resume", "--set", "schedule.maxSteps=3");
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.json()).toMatchObject({ step: 3, finished: true });
    const steps = (await readMetrics(runFolder(set.path("parts")))).map(({ step }) => step);
    expect(steps).toEqual([1, 2, 3]);
    const weights = (name: string) => readFile(set.path(join(name, "checkpoints", "step-00000003.safetensors")));
    expect((await weights("parts")).equals(await weights("long"))).toBe(true);
  });

  it("saves each setting of --set with the run", async () => {
    await fresh("settings", "--set", "optimizer.lr=0.004", "--set", "schedule.maxSteps=1");
    const saved = JSON.parse(await readFile(join(set.path("settings"), "config.json"), "utf8"));
    expect(saved).toMatchObject({
      optimizer: { lr: 0.004, momentum: 0.9 },
      schedule: { maxSteps: 1 },
      model: { backbone: { type: "supernet", preset: "tiny" } },
    });
  });

  it.each([
    ["optimizer.learningRate=1", 'optimizer.learningRate: unknown key. Did you mean "lr"?'],
    ["model.head.stackedConv=1", 'model.head.stackedConv: unknown key. Did you mean "stackedConvs"?'],
    ["optimizer.lr=fast", "optimizer.lr: "],
    ["optimizer.lr", "--set takes path=value"],
  ])("refuses --set %s before it touches anything", async (assignment, message) => {
    expect(errorOf(await fresh("never", "--set", assignment))).toContain(message);
    await expect(readdir(set.path("never"))).rejects.toThrow("ENOENT");
  });
});

describe("caddet train --resume", () => {
  it("passes over a checkpoint that is cut, says so, and ends with the same bytes", async () => {
    const out = set.path("cut");
    await fresh("cut", "--set", "checkpoint.everySteps=1");
    const file = join(out, "checkpoints", "step-00000002.safetensors");
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, bytes.length / 2));
    const resumed = await train(out, "--resume");
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.err).toMatch(
      /^warning: .*step-00000002\.safetensors: .* bytes.*; going on from an older checkpoint$/m,
    );
    expect((await readFile(file)).equals(bytes)).toBe(true);
  });

  it("refuses a folder in which another training goes on, and leaves it alone", async () => {
    const out = set.path("busy");
    await fresh("busy", "--set", "schedule.maxSteps=1");
    const lock = await lockRunFolder(runFolder(out));
    const before = await filesOf(out);
    const text = errorOf(await train(out, "--resume", "--set", "schedule.maxSteps=2"));
    expect(text).toContain(`${out} is in use: process ${process.pid} has been training there since `);
    expect(await filesOf(out)).toEqual(before);
    await lock.release();
  });
});

describe("caddet train --resume refuses", () => {
  const copy = async (name: string) => {
    await fresh(name);
    return join(set.path(name), "checkpoints", "step-00000002.safetensors");
  };

  it("a run without checkpoint", async () => {
    expect(errorOf(await train(set.path("nothing"), "--resume"))).toContain("nothing has no checkpoint (looked for ");
  });

  it("another configuration, and names the settings", async () => {
    await copy("other-config");
    const before = await filesOf(set.path("other-config"));
    const text = errorOf(await train(set.path("other-config"), "--resume", "--set", "optimizer.lr=0.5"));
    expect(text).toContain("belongs to another configuration; these settings differ: optimizer.lr.");
    expect(await filesOf(set.path("other-config"))).toEqual(before);
  });

  it("a data set with other classes", async () => {
    await copy("other-classes");
    const other = await drawSet();
    await other.change("train", (json) => {
      json.categories.push({ id: 8, name: "more" });
      return undefined;
    });
    const called = await call(
      ...["train", "--data", other.folder, "--out", set.path("other-classes"), "--resume", "--backend", "wasm"],
    );
    await other.remove();
    expect(errorOf(called)).toContain("was trained on other classes than this data set has");
  });
});

describe("caddet train --init", () => {
  it("starts from what fits of another run's weights, and says what that is", async () => {
    const file = join(run, "checkpoints", "step-00000002.safetensors");
    const called = await fresh("init", "--init", file, "--set", "schedule.maxSteps=1", "--set", "optimizer.lr=1e-12");
    expect(called.code, called.err).toBe(0);
    expect(called.err).toMatch(/^\d+ arrays of .*step-00000002\.safetensors loaded$/m);
    const weightsOf = async (name: string, step: number) => {
      const path = join(name, "checkpoints", `step-0000000${step}.safetensors`);
      return readDetectorFile(await readFile(path), path).arrays;
    };
    const [given, started] = [await weightsOf(run, 2), await weightsOf(set.path("init"), 1)];
    const weight = [...given.keys()].find((name) => name.endsWith(".weight"))!;
    for (const [i, v] of given.get(weight)!.data.entries()) {
      expect(Number(started.get(weight)!.data[i])).toBeCloseTo(Number(v), 6);
    }
  });

  it("refuses a file that is not there or fits nowhere, and --resume beside it", async () => {
    expect(errorOf(await fresh("init-none", "--init", set.path("nothing")))).toMatch(/nothing cannot be read: ENOENT/);
    const other = set.path("other.safetensors");
    const array = { dtype: "F32", shape: [1], data: Float32Array.of(1) } as const;
    await writeFile(other, serializeSafetensors(new Map([["alien.weight", array]]), {}));
    expect(errorOf(await fresh("init-other", "--init", other))).toContain("None of the 1 arrays fits");
    expect(errorOf(await train(run, "--resume", "--init", other))).toContain("leave --init out");
  });
});

describe("caddet train --evaluate-every", () => {
  it("evaluates the split val, and keeps the best checkpoint by it", async () => {
    const options = ["--evaluate-every", "1", "--set", "checkpoint.best=AP"];
    const called = await fresh("evaluated", ...options);
    expect(called.code, called.err).toBe(0);
    expect(called.err).toMatch(/^epoch \d+: AP \S+, AP50 \S+ on val$/m);
    const best = await bestCheckpoint(runFolder(set.path("evaluated")));
    expect(best?.file).toMatch(/step-\d+\.safetensors$/);
  });
});

describe("caddet train with a neck", () => {
  it("trains, resumes and evaluates supernet and FPNLite", async () => {
    const neck = ["--set", "model.neck.type=fpnlite", "--set", "model.neck.depth=16"];
    const called = await fresh("necked", ...neck, "--set", "schedule.maxSteps=1");
    expect(called.code, called.err).toBe(0);
    const resumed = await train(set.path("necked"), "--resume", "--set", "schedule.maxSteps=2");
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.json()).toMatchObject({ step: 2 });
    const evaluated = await call(
      ...["evaluate", "--run", set.path("necked"), "--data", set.folder, "--backend", "wasm", "--json"],
    );
    expect(evaluated.code, evaluated.err).toBe(0);
    const detected = await call("detect", join(set.folder, "val"), "--run", set.path("necked"), "--json");
    expect(detected.code, detected.err).toBe(0);
    expect(detected.json()).toMatchObject({ images: 4, failed: 0, engine: "tfjs" });
  });
});
