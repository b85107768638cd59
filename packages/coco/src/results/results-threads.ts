// Reads a results file in several threads: workers take the later parts, this thread puts all together. Needs Node.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { openFileSource } from "../json/file-source";
import { type CocoResults, concatResults } from "./results";
import { readResultsPart } from "./results-bytes";
import type { ReadAnswer, ReadOrder } from "./results-worker";

// A loader that runs the sources (.ts) does not reach into workers: they take the build.
const IS_SOURCE = import.meta.url.endsWith(".ts");
const WORKER = new URL(IS_SOURCE ? "../../dist/results-worker.js" : "./results-worker.js", import.meta.url);

/** Whether workers can be started: without a build the sources have none. */
export function hasWorkers(): boolean {
  return existsSync(fileURLToPath(WORKER));
}

/** A worker that reads its part. */
export interface ReadingThread {
  readonly order: ReadOrder;
  readonly answer: Promise<ReadAnswer>;
  stop(): Promise<unknown>;
}

/** Starts a worker; it begins to read at once. */
export function startReading(order: ReadOrder): ReadingThread {
  const worker = new Worker(WORKER, { workerData: order, execArgv: [], env: {} });
  const answer = new Promise<ReadAnswer>((resolve) => {
    // A thread that cannot work leaves its part to this one.
    worker.once("message", resolve).once("error", () => resolve(undefined));
    worker.once("exit", () => resolve(undefined));
  });
  return { order, answer, stop: () => worker.terminate() };
}

function readFrom(file: string, start: number, limit: number, entry: number) {
  const source = openFileSource(file, start);
  try {
    return readResultsPart(source, { file, start, limit, entry });
  } finally {
    source.close();
  }
}

/**
 * Reads the file's start and puts the workers' parts behind it. A part that does not begin where the one before it ended is
 * read again here.
 *
 * @param file the results file
 * @param threads workers, in the order of their parts
 * @returns all detections in the file's order
 * @throws DatasetError as `loadResults` does
 */
export async function collectResults(file: string, threads: readonly ReadingThread[]): Promise<CocoResults> {
  const own = readFrom(file, 0, threads[0]?.order.start ?? Number.POSITIVE_INFINITY, 0);
  const parts = [own.results];
  let { next } = own;
  let count = own.results.scores.length;
  for (const { order, answer } of threads) {
    if (next < 0) break;
    const found = await answer;
    const part = found?.first === next ? found : readFrom(file, next, order.limit, count);
    parts.push(part.results);
    count += part.results.scores.length;
    next = part.next;
  }
  return concatResults(parts);
}
