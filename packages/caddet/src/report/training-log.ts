// What a run's steps and events come to, for its report: curves, evaluations, batches left out. It takes them one by one while a run
// trains, or reads the run's files; a line that cannot be read is counted, never guessed.
import { readFile } from "node:fs/promises";
import { CheckpointError } from "@caddet/core";
import type { Metrics, StepRecord } from "@caddet/trainer";
import { type RunEvent, type RunFolder, readEvents } from "@caddet/trainer/node";
import { createStepCurve, type StepCurve } from "./step-curve";

/** An evaluation while training. */
export interface LoggedEvaluation {
  readonly step: number;
  readonly metrics: Metrics;
}

/** A run's steps, summed up. */
export interface TrainingLog {
  addStep(record: StepRecord): void;
  addEvent(event: RunEvent): void;
  /** The last step, 0 before the first. */
  readonly lastStep: number;
  /** Each term of the objective, `total` included, by name. */
  readonly losses: ReadonlyMap<string, StepCurve>;
  readonly learningRate: StepCurve;
  readonly gradientNorm: StepCurve;
  readonly imagesPerSecond: StepCurve;
  /** Share of open paths. */
  readonly openPaths: StepCurve;
  /** Executed MAdds of blocks and paths over the images of a step. */
  readonly madds: { readonly mean: StepCurve; readonly min: StepCurve; readonly max: StepCurve };
  readonly evaluations: readonly LoggedEvaluation[];
  /** Batches that were left out since something was not finite. */
  readonly nonFinite: number;
  /** Lines of metrics.jsonl that could not be read. */
  readonly brokenLines: number;
}

// More names than a configuration gives would be a foreign file.
const MOST_TERMS = 12;
const MAX_EVALUATIONS = 10_000;

/** Starts a log with nothing in it; `brokenLines` are what a file had. */
export function createTrainingLog(brokenLines = 0): TrainingLog {
  const losses = new Map<string, StepCurve>();
  const evaluations: LoggedEvaluation[] = [];
  const [learningRate, gradientNorm, imagesPerSecond, openPaths] = Array.from({ length: 4 }, createStepCurve) as [
    StepCurve,
    StepCurve,
    StepCurve,
    StepCurve,
  ];
  const madds = { mean: createStepCurve(), min: createStepCurve(), max: createStepCurve() };
  let lastStep = 0;
  let nonFinite = 0;
  return {
    addStep: (record) => {
      const { step } = record;
      lastStep = step;
      for (const [name, value] of Object.entries(record.loss)) {
        if (!losses.has(name) && losses.size < MOST_TERMS) losses.set(name, createStepCurve());
        losses.get(name)?.add(step, value);
      }
      learningRate.add(step, record.learningRate);
      gradientNorm.add(step, record.gradientNorm);
      imagesPerSecond.add(step, record.imagesPerSecond);
      if (record.openPaths !== undefined) openPaths.add(step, record.openPaths);
      if (!record.madds) return;
      for (const kind of ["mean", "min", "max"] as const) madds[kind].add(step, record.madds[kind]);
    },
    addEvent: (event) => {
      if (event.event === "non-finite") nonFinite = Math.max(nonFinite, event.count);
      else if (evaluations.length < MAX_EVALUATIONS) evaluations.push({ step: event.step, metrics: event.metrics });
    },
    get lastStep() {
      return lastStep;
    },
    losses,
    learningRate,
    gradientNorm,
    imagesPerSecond,
    openPaths,
    madds,
    evaluations,
    get nonFinite() {
      return nonFinite;
    },
    brokenLines,
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): value is number => typeof value === "number";

// A line of someone else's making may be anything. Losses that are not finite are written as null.
function asRecord(line: string): StepRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(value) || !Number.isSafeInteger(value.step) || !isObject(value.loss)) return undefined;
  const { madds } = value;
  const isSpread = isObject(madds) && [madds.mean, madds.min, madds.max].every(isNumber);
  const { madds: _, ...rest } = value;
  return { ...rest, ...(isSpread ? { madds } : {}) } as unknown as StepRecord;
}

// Numbers that are not finite are written as null, and left out.
function asEvent(event: unknown): RunEvent | undefined {
  if (!isObject(event) || !Number.isSafeInteger(event.step)) return undefined;
  if (event.event === "non-finite") return isNumber(event.count) ? (event as unknown as RunEvent) : undefined;
  if (event.event !== "evaluation" || !isObject(event.metrics)) return undefined;
  const metrics = Object.fromEntries(
    Object.entries(event.metrics).flatMap(([name, value]) => (isNumber(value) ? [[name, value]] : [])),
  );
  return { event: "evaluation", step: event.step as number, metrics };
}

/**
 * Reads a run's metrics.jsonl and events.jsonl.
 *
 * @param folder the run's folder
 * @returns the log; empty where the run has made no step
 * @throws CheckpointError when a file is there and cannot be read
 */
export async function readTrainingLog(folder: RunFolder): Promise<TrainingLog> {
  const text = await readFile(folder.metricsFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    const { metricsFile: file } = folder;
    throw new CheckpointError(`${file} cannot be read: ${error.message}`, { file }, { cause: error });
  });
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const records = lines.map(asRecord).filter((record) => record !== undefined);
  const log = createTrainingLog(lines.length - records.length);
  for (const record of records) log.addStep(record);
  for (const line of await readEvents(folder)) {
    const event = asEvent(line);
    if (event) log.addEvent(event);
  }
  return log;
}
