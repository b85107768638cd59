import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StepRecord, Trainer } from "../src";
import { metricsHook, type RunFolder, RunWriteError, readEvents, readMetrics, runFolder } from "../src/node";

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

describe("events", () => {
  const at = (step: number) => ({ position: { step, epoch: 0, batch: step } }) as Trainer;
  const skipped = (step: number, action: "skip" | "restore" = "skip") =>
    ({ step, epoch: 0, imageIds: [1], message: "NaN", action, count: 1 }) as const;

  it("are written as they come, and dropped behind the checkpoint that a run goes on from", async () => {
    const hook = metricsHook(folder);
    await hook.onStart!(at(0));
    expect(await readEvents(folder)).toEqual([]);
    await hook.onEvaluation!({ AP: 0.5 }, at(3));
    await hook.onNonFinite!(skipped(5), at(5));
    await hook.onEvaluation!({ AP: 0.6 }, at(6));
    const events = [
      { event: "evaluation", step: 3, metrics: { AP: 0.5 } },
      { event: "non-finite", ...skipped(5) },
      { event: "evaluation", step: 6, metrics: { AP: 0.6 } },
    ];
    expect(await readEvents(folder)).toEqual(events);
    await appendFile(folder.eventsFile, '{"event":"eval'); // cut by a kill
    await metricsHook(folder).onStart!(at(5));
    expect(await readEvents(folder)).toEqual(events.slice(0, 2));
  });

  it("and steps that a run makes again are dropped when it goes back, what was not finite stays", async () => {
    await write(0, 1, 2, 3, 4);
    const hook = metricsHook(folder);
    await hook.onEvaluation!({ AP: 0.5 }, at(4));
    await hook.onNonFinite!(skipped(3), at(3));
    await hook.onNonFinite!(skipped(5, "restore"), at(2));
    expect(await steps()).toEqual([1, 2]);
    expect((await readEvents(folder)).map(({ event, step }) => [event, step])).toEqual([
      ["non-finite", 3],
      ["non-finite", 5],
    ]);
  });

  it("and records that cannot be written are an error with its reason", async () => {
    await mkdir(folder.metricsFile, { recursive: true });
    const error: unknown = await Promise.resolve(metricsHook(folder).onStep!(record(1), at(1))).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(RunWriteError);
    expect((error as RunWriteError).details).toMatchObject({ file: folder.metricsFile, reason: "EISDIR" });
  });
});
