// A run's log: curves in bounded memory, files with broken lines, and the section drawn from it.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StepRecord } from "@caddet/trainer";
import { runFolder } from "@caddet/trainer/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStepCurve } from "../../src/report/step-curve";
import { createTrainingLog, readTrainingLog } from "../../src/report/training-log";
import { progressSection, trainingSection } from "../../src/report/training-section";

const record = (step: number, total: number): StepRecord => ({
  step,
  epoch: 0,
  learningRate: 0.01,
  loss: { cls: total / 2, total },
  gradientNorm: 3,
  imagesPerSecond: 8,
  dataShare: 0,
  madds: { mean: 2e6, min: 1e6, max: 3e6, std: 0 },
  openPaths: 0.5,
  tensors: 10,
  imageIds: [1],
});

describe("createStepCurve", () => {
  it("keeps few steps as they are", () => {
    const curve = createStepCurve();
    for (const step of [1, 2, 3]) curve.add(step, step * 10);
    expect(curve.points()).toEqual([
      [1, 10],
      [2, 20],
      [3, 30],
    ]);
  });

  it("keeps at most 200 points of any number of steps, their mean that of the values", () => {
    const curve = createStepCurve();
    const n = 2 ** 14;
    for (let step = 1; step <= n; step++) curve.add(step, step);
    const points = curve.points();
    expect(points.length).toBeLessThanOrEqual(200);
    expect(points.length).toBeGreaterThan(100);
    expect(points.at(-1)![0]).toBe(n);
    expect(points.reduce((sum, [, value]) => sum + value, 0) / points.length).toBeCloseTo((n + 1) / 2, 6);
  });

  it("leaves out what is not finite", () => {
    const curve = createStepCurve();
    curve.add(1, Number.NaN);
    expect(curve.points()).toEqual([]);
  });
});

describe("readTrainingLog", () => {
  let path: string;
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), "caddet-log-"));
  });
  afterAll(() => rm(path, { recursive: true }));

  it("is empty where there are no files, and the page says so", async () => {
    const log = await readTrainingLog(runFolder(join(path, "none")));
    expect(log.lastStep).toBe(0);
    expect(trainingSection(log).html).toContain("The run has no steps yet.");
    expect(progressSection(log.evaluations)).toBeUndefined();
  });

  it("counts lines that cannot be read, and keeps the others", async () => {
    const folder = runFolder(path);
    const lines = [
      JSON.stringify(record(1, 4)),
      "{ broken",
      "null",
      '{"step":"2","loss":{}}',
      '{"step":2,"loss":{"total":null},"madds":{"mean":"many"}}',
      JSON.stringify(record(3, 2)),
      '{"step":4,"lo',
    ];
    await writeFile(folder.metricsFile, lines.join("\n"));
    const log = await readTrainingLog(folder);
    expect(log.brokenLines).toBe(4);
    expect(log.lastStep).toBe(3);
    expect(log.losses.get("total")!.points()).toEqual([
      [1, 4],
      [3, 2],
    ]);
    expect(log.madds.mean.points().map(([step]) => step)).toEqual([1, 3]);
    expect(trainingSection(log).html).toContain("4 lines of metrics.jsonl could not be read");
  });

  it("has the evaluations and batches left out, without what is no number", async () => {
    const folder = runFolder(path);
    const events = [
      { event: "evaluation", step: 1, metrics: { AP: 0.1, APs: -1, madds: 2e6, odd: null } },
      { event: "evaluation", step: "x", metrics: {} },
      { event: "evaluation", step: 3, metrics: { AP: 0.2, APs: -1, madds: 3e6 } },
      { event: "non-finite", step: 2, count: 2 },
      { event: "other", step: 2 },
    ];
    await writeFile(folder.eventsFile, events.map((event) => JSON.stringify(event)).join("\n"));
    const log = await readTrainingLog(folder);
    expect(log.nonFinite).toBe(2);
    expect(log.evaluations.map(({ metrics }) => metrics.AP)).toEqual([0.1, 0.2]);
    expect(log.evaluations[0]!.metrics).not.toHaveProperty("odd");
    const { html } = progressSection(log.evaluations)!;
    // MAdds do not share an axis with accuracies, and COCO's -1 is no number.
    expect(html).toContain("Accuracy while training");
    expect(html).toContain("madds while training");
    expect(html).toContain("APs: no data");
    expect(html).not.toContain("−1");
  });
});

describe("trainingSection", () => {
  it("shows losses, rate, norm, speed and cost", () => {
    const log = createTrainingLog();
    for (let step = 1; step <= 10; step++) log.addStep(record(step, 10 / step));
    const { html } = trainingSection(log);
    for (const title of [
      "Losses",
      "Executed MAdds in a batch",
      "Open paths",
      "Gradient norm",
      "Learning rate",
      "Speed",
    ]) {
      expect(html).toContain(title);
    }
    expect(html).toContain("mean: 2 at 1 to 2 at 10");
  });

  it("has no figure of costs for a static network", () => {
    const log = createTrainingLog();
    const { madds: _, openPaths: __, ...rest } = record(1, 1);
    log.addStep(rest);
    expect(trainingSection(log).html).not.toContain("MAdds in a batch");
  });
});
