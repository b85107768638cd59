// metrics.jsonl: one JSON line a step, appended as the run goes.
import { appendFile, mkdir, readFile, truncate } from "node:fs/promises";
import type { StepRecord, TrainHook } from "./hooks";
import { ifAbsent, type RunFolder } from "./run-folder";

/**
 * A hook that appends every step's record to the run's metrics.jsonl. A resumed run first drops the lines behind its checkpoint.
 *
 * @param folder the run's folder
 * @returns the hook
 */
export function metricsHook(folder: RunFolder): TrainHook {
  return {
    name: "metrics",
    onStart: async (trainer) => {
      await mkdir(folder.path, { recursive: true });
      const text = await readFile(folder.metricsFile, "utf8").catch(ifAbsent(""));
      if (text === "") return;
      const lines = text.split("\n");
      const isKept = (line: string) => (recordOf(line)?.step ?? Number.POSITIVE_INFINITY) <= trainer.position.step;
      const kept = lines.findIndex((line) => !isKept(line));
      const bytes = lines.slice(0, kept).reduce((n, line) => n + Buffer.byteLength(line) + 1, 0);
      await truncate(folder.metricsFile, bytes);
    },
    onStep: async (record) => {
      await appendFile(folder.metricsFile, `${JSON.stringify(record)}\n`);
    },
  };
}

function recordOf(line: string): StepRecord | undefined {
  try {
    return JSON.parse(line) as StepRecord;
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
  return text.split("\n").flatMap((line) => recordOf(line) ?? []);
}
