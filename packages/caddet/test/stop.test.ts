// SIGINT and SIGTERM end a training after its step, with a checkpoint, and a detection after what it has written; in a process of its
// own, run from the sources.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadResults } from "@caddet/coco/node";
import { readMetrics, runFolder } from "@caddet/trainer/node";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./call";
import { writeModel } from "./drawn-model";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeAll(async () => {
  set = await drawSet();
});
afterAll(() => set.remove());

const CLI = JSON.stringify(new URL("../src/cli.ts", import.meta.url).href);
const PROGRAM = `import { main } from ${CLI}; process.exitCode = await main(process.argv.slice(1));`;

const start = (...args: string[]) =>
  spawn(
    process.execPath,
    ["--conditions=@caddet/source", "--import", "tsx", "--input-type=module", "-e", PROGRAM, "--", ...args],
    { cwd: fileURLToPath(new URL("..", import.meta.url)), stdio: ["pipe", "pipe", "pipe"] },
  );

// Sends the signal once the child has said what `isUnderWay` waits for.
async function stopped(
  child: ReturnType<typeof start>,
  signal: "SIGINT" | "SIGTERM",
  isUnderWay: (stdout: string, stderr: string) => boolean,
) {
  let stdout = "";
  let stderr = "";
  let asked = false;
  const ask = () => {
    if (asked || !isUnderWay(stdout, stderr)) return;
    asked = true;
    child.kill(signal);
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    ask();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    ask();
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout, stderr };
}

// A training without end, stopped after its first steps.
function stoppedTraining(out: string, signal: "SIGINT" | "SIGTERM", ...more: string[]) {
  const endless = ["schedule.maxSteps=1000000", "schedule.epochs=1000000", "schedule.policy=constant"];
  const child = start(
    ...["train", "--data", set.folder, "--out", out, "--config", set.configFile, "--backend", "wasm", "--json"],
    ...endless.flatMap((setting) => ["--set", setting]),
    ...more,
  );
  return stopped(child, signal, (_, stderr) => /^step \d+\//m.test(stderr));
}

describe.skipIf(process.platform === "win32")("caddet train, stopped", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s saves a checkpoint, says how to go on, and exits with %d", async (signal, exitCode) => {
    const out = set.path(signal);
    const { code, stdout, stderr } = await stoppedTraining(out, signal);
    expect(code, stderr).toBe(exitCode);
    const { step, checkpoint, finished } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
    expect(finished).toBe(false);
    expect(step).toBeGreaterThan(0);
    expect(checkpoint).toContain(`step-${String(step).padStart(8, "0")}.safetensors`);
    await access(checkpoint);
    expect(stderr).toContain("stopping after this step; a second signal ends at once\n");
    expect(stderr).toContain(`stopped at step ${step} of 1000000. Call the same command with --resume to go on.\n`);
    const resumed = await call(
      ...["train", "--data", set.folder, "--out", out, "--backend", "wasm", "--json", "--resume"],
      ...["--set", `schedule.maxSteps=${step + 1}`],
    );
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.json()).toMatchObject({ step: step + 1, finished: true });
    const steps = (await readMetrics(runFolder(out))).map((record) => record.step);
    expect(steps).toEqual(Array.from({ length: step + 1 }, (_, i) => i + 1));
  });
});

// Threads run the build.
const isBuilt = existsSync(new URL("../dist/train-replica.js", import.meta.url));
const reason = isBuilt ? "" : " (not tested: the package is not built)";

describe.skipIf(process.platform === "win32" || !isBuilt)(`caddet train --replicas, stopped${reason}`, () => {
  it("ends all threads after the same step, with a checkpoint", async () => {
    const { code, stdout, stderr } = await stoppedTraining(set.path("replicas"), "SIGINT", "--replicas", "2");
    expect(code, stderr).toBe(130);
    const { step, checkpoint, finished } = JSON.parse(stdout);
    expect([step > 0, finished]).toEqual([true, false]);
    await access(checkpoint);
    expect(stderr).toContain("stopping after this step; a second signal ends at once\n");
    expect(stderr).toContain(`stopped at step ${step} of 1000000. Call the same command with --resume to go on.\n`);
  });
});

describe.skipIf(process.platform === "win32")("caddet detect, stopped", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s keeps what it has written, whole, and exits with %d", async (signal, exitCode) => {
    const model = await writeModel(set.path("model.safetensors"));
    const [out, results] = [set.path(`drawn-${signal}`), set.path(`results-${signal}.json`)];
    const child = start(
      ...["detect", "-", "--list", "--run", model, "--json", "--threshold", "0", "--max", "3"],
      ...["--out", out, "--results", results],
    );
    // More names may come: stdin stays open, and so does the detection.
    for (const n of [1, 2, 3, 4]) child.stdin.write(`${join(set.folder, "val", `${n}.jpg`)}\n`);
    const { code, stdout, stderr } = await stopped(child, signal, (text) => text.split("\n").length > 4);
    expect(code, stderr).toBe(exitCode);
    expect(stderr).toContain("stopping; a second signal ends at once\n");
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1)!)).toMatchObject({ images: 4, failed: 0 });
    expect((await readdir(out)).sort()).toEqual(["1.jpg", "2.jpg", "3.jpg", "4.jpg"]);
    for (const name of await readdir(out)) {
      expect((await sharp(join(out, name), { failOn: "error" }).raw().toBuffer()).length).toBeGreaterThan(0);
    }
    expect((await loadResults(results)).imageIds).toHaveLength(12);
  });
});

describe("caddet train, finished", () => {
  it("leaves nobody to listen for signals", async () => {
    const before = [process.listenerCount("SIGINT"), process.listenerCount("SIGTERM")];
    const { code } = await call(
      ...["train", "--data", set.folder, "--out", set.path("whole"), "--config", set.configFile, "--backend", "wasm"],
    );
    expect(code).toBe(0);
    expect([process.listenerCount("SIGINT"), process.listenerCount("SIGTERM")]).toEqual(before);
  });
});
