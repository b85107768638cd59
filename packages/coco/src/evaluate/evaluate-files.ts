// COCO's numbers from two files, the results read in one thread or several. The numbers do not depend on how many. Needs Node.
import { stat } from "node:fs/promises";
import type { CocoDataset } from "../dataset/dataset";
import { loadAnnotations, loadResults } from "../dataset/files";
import type { BadEntryPolicy } from "../dataset/skips";
import type { CocoResults } from "../results/results";
import { collectResults, hasWorkers, startReading } from "../results/results-threads";
import type { ReadOrder } from "../results/results-worker";
import { type EvaluationResult, evaluateDetections } from "./evaluate";
import type { EvaluationParams } from "./evaluation-params";

/** Options of {@link evaluateFiles}. */
export interface EvaluateFilesOptions {
  /** Instances file. */
  readonly gt: string;
  /** Results file. */
  readonly dt: string;
  /** Default: COCO's. */
  readonly params?: EvaluationParams;
  /**
   * Most threads to read the results with, default 1. Small files take fewer. The evaluation itself is too short to share: a second
   * thread would only compete with the engine's compiler.
   */
  readonly threads?: number;
  /** What a bad annotation does, default "keep", which is pycocotools' way. */
  readonly onBadEntry?: BadEntryPolicy;
}

/** An evaluation and what it was made from. */
export interface FileEvaluation extends EvaluationResult {
  readonly truth: CocoDataset;
  readonly results: CocoResults;
  /** Threads that took part. */
  readonly threads: number;
}

// Below, starting a thread costs more than it saves.
const BYTES_A_THREAD = 1 << 20;
// What a worker's start costs, in bytes of results that the main thread reads meanwhile.
const BYTES_OF_A_START = 1 << 20;

// The parts of the workers; the main thread reads the annotations and what comes before the first part.
function splitResults(file: string, size: number, truthSize: number, threads: number): ReadOrder[] {
  const least = size / threads / 2;
  const most = (0.9 * size) / (threads - 1);
  const share = Math.min(Math.max((size + truthSize - BYTES_OF_A_START) / threads, least), most);
  const starts = Array.from({ length: threads - 1 }, (_, n) => Math.floor(size - (threads - 1 - n) * share));
  return starts.map((start, n) => ({ file, start, limit: starts[n + 1] ?? Number.POSITIVE_INFINITY }));
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

/**
 * Evaluates a results file.
 *
 * @param options the two files; parameters, default COCO's; threads, default 1
 * @returns COCO's numbers, the curves, and the data set and detections that were read
 * @throws DatasetError when a file cannot be read, an entry is wrong or a detection's image is not in the data set; ConfigError for
 *   parameters that contradict one another
 * @example (await evaluateFiles({ gt: "instances_val2017.json", dt: "results.json", threads: 2 })).stats[0] // AP
 */
export async function evaluateFiles(options: EvaluateFilesOptions): Promise<FileEvaluation> {
  const { gt, dt, params = {}, threads = 1, onBadEntry = "keep" } = options;
  const size = await sizeOf(dt);
  const used = hasWorkers() ? Math.max(1, Math.min(threads, Math.floor(size / BYTES_A_THREAD))) : 1;
  if (used === 1) {
    const truth = await loadAnnotations(gt, { onBadEntry });
    const results = await loadResults(dt);
    return { ...evaluateDetections(truth, results, params), truth, results, threads: 1 };
  }
  const workers = splitResults(dt, size, await sizeOf(gt), used).map(startReading);
  try {
    const truth = await loadAnnotations(gt, { onBadEntry });
    const results = await collectResults(dt, workers);
    return { ...evaluateDetections(truth, results, params), truth, results, threads: used };
  } finally {
    for (const worker of workers) void worker.stop();
  }
}
