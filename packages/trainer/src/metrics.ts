// metrics.jsonl: one JSON line a step, appended as the run goes. events.jsonl: one line for each evaluation and each batch left out.
import { appendFile, mkdir, readFile, truncate } from "node:fs/promises";
import type { Metrics, NonFiniteEvent, StepRecord, TrainHook } from "./hooks";
import { ifAbsent, type RunFolder, RunWriteError, writeFileAtomic } from "./run-folder";

/** What happened in a run beside its steps. */
export type RunEvent =
  | { readonly event: "evaluation"; readonly step: number; readonly metrics: Metrics }
  | ({ readonly event: "non-finite" } & NonFiniteEvent);

// Drops what lies behind a step, and what a kill has cut.
async function dropBehind(file: string, step: number): Promise<void> {
  const text = await readFile(file, "utf8").catch(ifAbsent(""));
  if (text === "") return;
  const lines = text.split("\n");
  const isKept = (line: string) => (parseLine<StepRecord>(line)?.step ?? Number.POSITIVE_INFINITY) <= step;
  const kept = lines.findIndex((line) => !isKept(line));
  const bytes = lines.slice(0, kept).reduce((n, line) => n + Buffer.byteLength(line) + 1, 0);
  await truncate(file, bytes).catch((cause: unknown) => {
    throw new RunWriteError(file, cause);
  });
}

// Events are few, and not always in order: a run that was put back makes steps twice.
async function keepEvents(file: string, isKept: (event: RunEvent) => boolean): Promise<void> {
  const text = await readFile(file, "utf8").catch(ifAbsent(""));
  if (text === "") return;
  const kept = text.split("\n").flatMap((line) => parseLine<RunEvent>(line) ?? []);
  await writeFileAtomic(
    file,
    kept
      .filter(isKept)
      .map((event) => `${JSON.stringify(event)}\n`)
      .join(""),
  );
}

async function append(file: string, entry: StepRecord | RunEvent): Promise<void> {
  await appendFile(file, `${JSON.stringify(entry)}\n`).catch((cause: unknown) => {
    throw new RunWriteError(file, cause);
  });
}

/**
 * A hook that appends every step's record to the run's metrics.jsonl, and evaluations and batches left out to its events.jsonl. A resumed run
 * first drops the lines behind its checkpoint.
 *
 * @param folder the run's folder
 * @returns the hook; it throws RunWriteError when a file cannot be written
 */
export function metricsHook({ path, metricsFile, eventsFile }: RunFolder): TrainHook {
  return {
    name: "metrics",
    onStart: async ({ position }) => {
      await mkdir(path, { recursive: true }).catch((cause: unknown) => {
        throw new RunWriteError(path, cause);
      });
      await dropBehind(metricsFile, position.step);
      await keepEvents(eventsFile, ({ step }) => step <= position.step);
    },
    onStep: (record) => append(metricsFile, record),
    onEvaluation: (metrics, { position }) => append(eventsFile, { event: "evaluation", step: position.step, metrics }),
    onNonFinite: async (event, { position }) => {
      if (event.action === "restore") {
        // The run makes these steps again.
        await dropBehind(metricsFile, position.step);
        await keepEvents(eventsFile, ({ event: kind, step }) => kind === "non-finite" || step <= position.step);
      }
      await append(eventsFile, { event: "non-finite", ...event });
    },
  };
}

function parseLine<T>(line: string): T | undefined {
  try {
    return JSON.parse(line) as T;
  } catch {
    return undefined; // the line that a kill cut
  }
}

/**
 * The records of a run.
 *
 * @param folder the run's folder
 * @returns one record a step, in order; a last line that was cut is left out
 */
export async function readMetrics(folder: RunFolder): Promise<StepRecord[]> {
  const text = await readFile(folder.metricsFile, "utf8").catch(ifAbsent(""));
  return text.split("\n").flatMap((line) => parseLine<StepRecord>(line) ?? []);
}

/**
 * What happened in a run beside its steps.
 *
 * @param folder the run's folder
 * @returns evaluations and batches left out, in order; a last line that was cut is left out
 */
export async function readEvents(folder: RunFolder): Promise<RunEvent[]> {
  const text = await readFile(folder.eventsFile, "utf8").catch(ifAbsent(""));
  return text.split("\n").flatMap((line) => parseLine<RunEvent>(line) ?? []);
}
