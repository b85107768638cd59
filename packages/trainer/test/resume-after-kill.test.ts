// A run that is killed ten times, at points drawn from a seed, ends with the bytes of one that was left alone; of one rank or two.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@caddet/core";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { latestCheckpoint, readMetrics, runFolder } from "../src/node";
import type { Death } from "./killed-run";

const STEPS = 20;

// Beside the packages that it imports.
const cache = fileURLToPath(new URL("../../../node_modules/.cache/caddet-trainer", import.meta.url));
let folder: string;
let program: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-kill-"));
  await mkdir(cache, { recursive: true });
  program = join(await mkdtemp(join(cache, "kill-")), "run.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("killed-run.ts", import.meta.url))],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@caddet/source"],
    external: ["@tensorflow/*", "webgpu", "sharp"],
    logLevel: "error",
  });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(join(program, ".."), { recursive: true, force: true });
});

function live(
  run: string,
  death: Death | null,
  ranks: number,
): Promise<{ signal: NodeJS.Signals | null; text: string }> {
  const child: ChildProcess = spawn(process.execPath, [program, run, JSON.stringify(death), String(ranks)]);
  let text = "";
  child.stderr!.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return new Promise((resolve) => child.on("close", (code, signal) => resolve({ signal, text: `${code} ${text}` })));
}

// Ten deaths at ascending steps. Each kind comes twice, in an order that is drawn as the steps are.
function drawDeaths(seed: number): Death[] {
  const random = createRandom(seed);
  const kinds: Death["at"][] = ["step", "batch", "write", "rename", "prune"];
  const steps = random.shuffle(Array.from({ length: STEPS - 4 }, (_, i) => i + 1)).slice(0, 10);
  const order = random.shuffle([...kinds, ...kinds]);
  return steps.sort((a, b) => a - b).map((step, i) => ({ at: order[i]!, step }));
}

describe.skipIf(process.platform === "win32")("a run that is killed ten times", () => {
  it.each([1, 2])("ends with the bytes of one that was left alone: %i ranks", { timeout: 180_000 }, async (ranks) => {
    const whole = join(folder, `whole-${ranks}`);
    const killed = join(folder, `killed-${ranks}`);
    expect((await live(whole, null, ranks)).text).toMatch(/^0 /);
    for (const death of drawDeaths(2020 + ranks)) {
      const { signal, text } = await live(killed, death, ranks);
      expect(signal, `${JSON.stringify(death)}: ${text}`).toBe("SIGKILL");
    }
    expect((await live(killed, null, ranks)).text).toMatch(/^0 /);
    const [a, b] = [runFolder(whole), runFolder(killed)];
    expect((await readFile(await latestCheckpoint(b))).equals(await readFile(await latestCheckpoint(a)))).toBe(true);
    const ascending = Array.from({ length: STEPS }, (_, i) => i + 1);
    expect((await readMetrics(b)).map(({ step }) => step)).toEqual(ascending);
    expect((await readMetrics(b)).map(({ loss }) => loss)).toEqual((await readMetrics(a)).map(({ loss }) => loss));
    // Neither half files nor a lock are left.
    expect((await readdir(b.checkpointFolder)).sort()).toEqual((await readdir(a.checkpointFolder)).sort());
    expect((await readdir(killed)).sort()).toEqual((await readdir(whole)).sort());
  });
});
