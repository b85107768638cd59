// SIGINT and SIGTERM end a training after its step, with a checkpoint; in a process of its own, run from the sources.
import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readMetrics, runFolder } from "@caddet/trainer/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeAll(async () => {
  set = await drawSet();
});
afterAll(() => set.remove());

const CLI = JSON.stringify(new URL("../src/cli.ts", import.meta.url).href);
const PROGRAM = `import { main } from ${CLI}; process.exitCode = await main(process.argv.slice(1));`;

// Starts a training without end, and sends the signal after its first steps.
async function stopped(out: string, signal: "SIGINT" | "SIGTERM") {
  const child = spawn(
    process.execPath,
    [
      ...["--conditions=@caddet/source", "--import", "tsx", "--input-type=module", "-e", PROGRAM, "--"],
      ...["train", "--data", set.folder, "--out", out, "--config", set.configFile, "--backend", "wasm", "--json"],
      ...[
        "--set",
        "schedule.maxSteps=1000000",
        "--set",
        "schedule.epochs=1000000",
        "--set",
        "schedule.policy=constant",
      ],
    ],
    { cwd: fileURLToPath(new URL("..", import.meta.url)), stdio: ["ignore", "pipe", "pipe"] },
  );
  let stdout = "";
  let stderr = "";
  let asked = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    if (asked || !/^step \d+\//m.test(stderr)) return;
    asked = true;
    child.kill(signal);
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout, stderr };
}

describe.skipIf(process.platform === "win32")("caddet train, stopped", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s saves a checkpoint, says how to go on, and exits with %d", async (signal, exitCode) => {
    const out = set.path(signal);
    const { code, stdout, stderr } = await stopped(out, signal);
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
