import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, ConfigError } from "@caddet/core";
import { readDetectorFile } from "@caddet/detector";
import { ReplicaError } from "@caddet/distributed";
import { readMetrics, runFolder } from "@caddet/trainer/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type TrainOptions, train } from "../src/commands/train";
import { loadConfig } from "../src/config-file";
import { createOutput } from "../src/output";
import { trainReplicas } from "../src/replicated-training";
import { type BundledReplica, bundleReplica } from "./bundled-replica";
import { call } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let replica: BundledReplica;
let said = "";
beforeAll(async () => {
  [set, replica] = await Promise.all([drawSet(), bundleReplica()]);
});
afterAll(() => Promise.all([set.remove(), replica.remove()]));
// What threads write to standard error comes out at this process' own.
beforeEach(() => {
  said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => void vi.restoreAllMocks());

async function trained(name: string, more: Partial<TrainOptions> = {}) {
  let out = "";
  const write = (text: string) => {
    out += text;
  };
  const options: TrainOptions = {
    ...{ data: set.folder, out: set.path(name), config: set.configFile, set: [] },
    ...{ resume: false, backend: "wasm", replicas: 2, json: true },
    ...more,
  };
  const code = await train(options, createOutput({ write }, { write }), replica.url);
  return { code, json: JSON.parse(out.trimEnd().split("\n").at(-1)!) as Record<string, unknown> };
}

const weightsOf = (name: string, step: number) =>
  readFile(set.path(join(name, "checkpoints", `step-${String(step).padStart(8, "0")}.safetensors`)));

describe("caddet train --replicas", () => {
  it("normalises by the batches of all replicas when asked to, and is not resumed by another number", async () => {
    const { code } = await trained("own", { set: ["schedule.maxSteps=1"] });
    expect(code, said).toBe(0);
    await trained("synced", { set: ["schedule.maxSteps=1", "batchNorm.mode=synced"] });
    const momentsOf = async (name: string) => {
      const { arrays } = readDetectorFile(await weightsOf(name, 1));
      return [...arrays].filter(([key]) => key.endsWith("runningVariance")).map(([, { data }]) => data);
    };
    const [own, synced] = [await momentsOf("own"), await momentsOf("synced")];
    expect(own.length).toBeGreaterThan(0);
    expect(synced).not.toEqual(own);
    await expect(trained("own", { resume: true, replicas: 1, set: [] })).rejects.toThrow(
      /is of a run with 2 replicas, this one has 1/,
    );
  });

  it("trains in threads: twice the images a step, one who writes, the same bytes each time", async () => {
    const { code, json } = await trained("first");
    expect(code, said).toBe(0);
    const checkpoint = join(set.path("first"), "checkpoints", "step-00000002.safetensors");
    expect(json).toMatchObject({
      ...{ run: set.path("first"), checkpoint, step: 2, finished: true, backend: "wasm" },
      skipped: { annotations: {}, files: {} },
    });
    expect(json.firstLoss).toBeGreaterThan(0);
    expect(said.match(/^backend wasm on /gm)).toHaveLength(1);
    expect(said).toMatch(/^4 images, 2 classes; 2 replicas of 2 images; 2 steps$/m);
    expect(said.match(/^step 2\/2 /gm)).toHaveLength(1);
    const metrics = await readMetrics(runFolder(set.path("first")));
    expect(metrics.map(({ step }) => step)).toEqual([1, 2]);
    for (const { imageIds } of metrics) expect([...imageIds].sort()).toEqual([1, 2, 3, 4]);
    expect(await readdir(set.path("first"))).not.toContain("lock");
    await trained("second");
    expect((await weightsOf("second", 2)).equals(await weightsOf("first", 2))).toBe(true);
  });

  it("goes on with --resume to the bytes of one long run", async () => {
    const constant = "schedule.policy=constant";
    await trained("long", { set: [constant, "schedule.maxSteps=3"] });
    await trained("parts", { set: [constant] });
    const resumed = await trained("parts", { resume: true, set: [constant, "schedule.maxSteps=3"] });
    expect(resumed.json).toMatchObject({ step: 3, finished: true });
    expect((await weightsOf("parts", 3)).equals(await weightsOf("long", 3))).toBe(true);
  });

  it("counts an image that cannot be read once, whoever met it, and names it", async () => {
    const broken = join(set.folder, "train", "2.jpg");
    const bytes = await readFile(broken);
    await writeFile(broken, "not an image");
    const { json } = await trained("broken").finally(() => writeFile(broken, bytes));
    expect(json.skipped).toEqual({ annotations: {}, files: { undecodable: 1 } });
    expect(said).toContain(`left out: ${join(set.folder, "train")}`);
  });

  it("says what went wrong in a thread, and gives the folder back", async () => {
    const failed = await trained("failed", { data: set.path("nothing") }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ReplicaError);
    expect((failed as Error).message).toMatch(/^Replica \d failed: No file .*instances_train\.json or /);
    expect(await readdir(set.path("failed"))).toEqual([]);
    await trained("failed");
    await expect(trained("failed")).rejects.toThrow(CheckpointError);
  });

  it("ends all after the step in which it is asked to stop, with a checkpoint", async () => {
    const settings = ["schedule.maxSteps=1000000", "schedule.epochs=1000000", "schedule.policy=constant"];
    const config = await loadConfig(set.configFile, settings);
    const out = set.path("stopped");
    const stopping = new AbortController();
    vi.mocked(process.stderr.write).mockImplementation((text) => {
      if (/^step \d/m.test(String(text))) stopping.abort();
      return true;
    });
    const order = { data: set.folder, out, config, resume: false, backend: "wasm" } as const;
    const summaries = await trainReplicas(order, {
      ...{ replicas: 2, stop: stopping.signal, progress: process.stderr, worker: replica.url },
    });
    const { step } = summaries[0]!;
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThan(1_000_000);
    expect(summaries.map((summary) => summary.step)).toEqual([step, step]);
    await access(join(out, "checkpoints", `step-${String(step).padStart(8, "0")}.safetensors`));
  });

  it("needs a build, and a number from 1", async () => {
    const config = await loadConfig(set.configFile, []);
    const order = { data: set.folder, out: set.path("never"), config, resume: false, backend: "wasm" } as const;
    const options = { replicas: 2, stop: new AbortController().signal, progress: process.stderr };
    const worker = new URL("./nothing.js", import.meta.url);
    const failed = trainReplicas(order, { ...options, worker });
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow("npm run build");
    const { code, err } = await call("train", "--data", set.folder, "--out", set.path("never"), "--replicas", "0");
    expect(code).toBe(2);
    expect(err).toContain("Expected an integer from 1.");
    await expect(access(set.path("never"))).rejects.toThrow("ENOENT");
  });
});
