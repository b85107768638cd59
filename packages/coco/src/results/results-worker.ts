// The other threads of a results file: each reads a part. What goes wrong here is told by the main thread, which reads that part
// again.
import { parentPort, workerData } from "node:worker_threads";
import { openFileSource } from "../json/file-source";
import type { CocoResults } from "./results";
import { findResultStart, readResultsPart } from "./results-bytes";

/** What a worker reads. */
export interface ReadOrder {
  readonly file: string;
  /** It begins with the first entry behind this offset. */
  readonly start: number;
  /** It ends before the first entry at or beyond this one; Infinity for the file's end. */
  readonly limit: number;
}

/** A worker's part; undefined where it found none or could not read it. */
export type ReadAnswer = { readonly results: CocoResults; readonly first: number; readonly next: number } | undefined;

function readPart({ file, start, limit }: ReadOrder): ReadAnswer {
  const probe = openFileSource(file, start);
  let first: number;
  try {
    first = findResultStart(probe, { file, start });
  } finally {
    probe.close();
  }
  if (first < 0 || first >= limit) return undefined;
  const source = openFileSource(file, first);
  try {
    return { ...readResultsPart(source, { file, start: first, limit }), first };
  } finally {
    source.close();
  }
}

function answerOf(order: ReadOrder): ReadAnswer {
  try {
    return readPart(order);
  } catch {
    return undefined;
  }
}

const answer = answerOf(workerData as ReadOrder);
const columns: Float64Array[] = answer ? Object.values(answer.results) : [];
parentPort!.postMessage(
  answer,
  columns.map(({ buffer }) => buffer as ArrayBuffer),
);
