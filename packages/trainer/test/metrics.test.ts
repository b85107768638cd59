import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StepRecord, Trainer } from "../src";
import { metricsHook, type RunFolder, readMetrics, runFolder } from "../src/node";

let folder: RunFolder;
beforeEach(async () => {
  folder = runFolder(join(await mkdtemp(join(tmpdir(), "caddet-metrics-")), "run"));
});
afterEach(async () => {
  await rm(join(folder.path, ".."), { recursive: true });
});

const record = (step: number): StepRecord => ({
  step,
  epoch: 0,
  learningRate: 0.01,
  loss: { total: 1.5, box: 1.5 },
  gradientNorm: 2,
  imagesPerSecond: 10,
  dataShare: 0.1,
  tensors: 100,
  imageIds: [step, 1_000_000 + step],
});

/** Starts the hook at a position and gives it steps. */
async function write(position: number, ...steps: number[]): Promise<void> {
  const trainer = { position: { step: position, epoch: 0, batch: position } } as Trainer;
  const hook = metricsHook(folder);
  await hook.onStart!(trainer);
  for (const step of steps) await hook.onStep!(record(step), trainer);
}

const steps = async () => (await readMetrics(folder)).map((r) => r.step);

describe("metricsHook", () => {
  it("makes the folder and writes one JSON line a step", async () => {
    await write(0, 1, 2);
    const text = await readFile(folder.metricsFile, "utf8");
    expect(text.endsWith("\n")).toBe(true);
    expect(
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([record(1), record(2)]);
    expect(await readMetrics(folder)).toEqual([record(1), record(2)]);
  });

  it("drops the lines behind the checkpoint that a run goes on from", async () => {
    await write(0, 1, 2, 3, 4);
    await write(2, 3, 4, 5);
    expect(await steps()).toEqual([1, 2, 3, 4, 5]);
    await write(5, 6);
    expect(await steps()).toEqual([1, 2, 3, 4, 5, 6]);
    await write(0, 1);
    expect(await steps()).toEqual([1]);
  });

  it.each([2, 1])("drops a last line that a kill cut, %s lines whole before the resume", async (whole) => {
    await write(0, ...[1, 2].slice(0, whole));
    await appendFile(folder.metricsFile, JSON.stringify(record(whole + 1)).slice(0, 40));
    expect(await steps()).toEqual([1, 2].slice(0, whole));
    await write(whole, whole + 1);
    expect(await steps()).toEqual([1, 2, 3].slice(0, whole + 1));
    expect(await readFile(folder.metricsFile, "utf8")).not.toContain("}{");
  });

  it("drops a cut line that is the only one", async () => {
    await write(0);
    await writeFile(folder.metricsFile, '{"step":1,"lo');
    await write(0, 1);
    expect(await readMetrics(folder)).toEqual([record(1)]);
  });

  it("counts bytes, not characters", async () => {
    await write(0);
    await writeFile(folder.metricsFile, `${JSON.stringify({ ...record(1), note: "größe λ1" })}\n`);
    await write(1, 2);
    expect(await steps()).toEqual([1, 2]);
  });
});

describe("readMetrics", () => {
  it("gives nothing for a run without metrics", async () => {
    expect(await readMetrics(folder)).toEqual([]);
  });
});
