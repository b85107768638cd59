// The program as a process, on drawn scenes: killed in the middle, called again, then asked for a table alone.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { freshFolder } from "./tiny-base";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const program = join(root, "examples/ablations/src/main.ts");

function start(out: string, ...flags: string[]) {
  const small = [
    "schedule.maxSteps=6",
    "model.backbone.layers=4",
    "data.shorter=96",
    "data.longer=128",
    "checkpoint.everySteps=1",
  ];
  const args = ["--conditions=@caddet/source", "--import", "tsx", program, "--table", "1", "--data", "drawn"];
  const given = ["--scenes", "24,4", "--seeds", "0,1", "--backend", "wasm", ...small.flatMap((s) => ["--set", s])];
  const child = spawn(process.execPath, [...args, "--out", out, ...given, ...flags], { cwd: root });
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    text.out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    text.err += chunk;
  });
  return { child, text, ended: once(child, "close").then(([status]) => status as number | null) };
}

it("goes on after a kill and ends with one line of JSON", async () => {
  const out = await freshFolder();
  try {
    const killed = start(out, "--rows", "fixed-0.1");
    await vi.waitFor(() => expect(killed.text.err).toMatch(/step 1\/6/), { timeout: 60_000 });
    killed.child.kill("SIGKILL");
    await killed.ended;

    const again = start(out, "--rows", "fixed-0.1");
    expect(await again.ended, again.text.err).toBe(0);
    const result = JSON.parse(again.text.out.trim());
    expect(result).toMatchObject({ table: 1, finished: 2, verdict: "is not decided" });
    expect(result.missing).toHaveLength(10);
    expect(await readFile(result.files.markdown, "utf8")).toMatch(/^\| Fixed \| 0\.1 \| 2 of 2 \| \d/m);
    const metrics = await readFile(join(out, "runs", "fixed-0.1", "seed-0", "metrics.jsonl"), "utf8");
    const steps = metrics
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).step);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6]);

    const report = start(out, "--report-only");
    expect(await report.ended).toBe(0);
    expect(JSON.parse(report.text.out)).toMatchObject({ finished: 2 });
    expect(report.text.err).not.toContain("step");

    const wrong = start(out, "--set", "budget.ratio=0.5");
    expect(await wrong.ended).toBe(1);
    expect(wrong.text.err).toMatch(/^--set budget\.ratio=0\.5: the rows of Table 1 decide/);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}, 120_000);
