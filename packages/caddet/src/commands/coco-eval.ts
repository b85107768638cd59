// `caddet coco eval`: COCO's numbers of a results file; by class, with classes that are taken for one another, and with what the
// errors cost, where that is asked for.
import { availableParallelism } from "node:os";
import {
  type ConfusionTable,
  confusionTable,
  ERROR_KINDS,
  type ErrorBreakdown,
  errorBreakdown,
  evaluateFiles,
  formatClassTable,
  formatStatistics,
} from "@caddet/coco/evaluate/node";
import { columns, type Output } from "../output";

export interface CocoEvalOptions {
  readonly gt: string;
  readonly dt: string;
  readonly json: boolean;
  /** Default: up to four, as the machine has cores; small files take fewer. */
  readonly threads?: number;
  readonly perClass: boolean;
  readonly confusion: boolean;
  readonly errors: boolean;
}

const DEFAULT_THREADS = 4;
const SHOWN_PAIRS = 20;

// The commonest mistakes, as pairs of classes.
function confusionText({ counts, names }: ConfusionTable): string {
  const size = names.length + 1;
  const nameOf = (k: number) => names[k] ?? "(background)";
  const pairs = Array.from(counts, (count, at) => ({ count, row: Math.floor(at / size), column: at % size }))
    .filter(({ count, row, column }) => count > 0 && row !== column)
    .sort((p, q) => q.count - p.count);
  const shown = pairs
    .slice(0, SHOWN_PAIRS)
    .map(({ count, row, column }) => [`${nameOf(row)} taken for ${nameOf(column)}`, String(count)]);
  const rest = pairs.length > SHOWN_PAIRS ? `${pairs.length - SHOWN_PAIRS} rarer pairs: see --json\n` : "";
  return `${columns([["commonest mistakes (IoU 0.5, score from 0.3)", "count"], ...shown])}${rest}`;
}

function errorsText({ ap, counts, deltaAp }: ErrorBreakdown): string {
  const rows = ERROR_KINDS.map((kind) => [kind, String(counts[kind]), deltaAp[kind].toFixed(3)]);
  return columns([[`errors (AP50 ${ap.toFixed(3)})`, "count", "AP gained by repair"], ...rows]);
}

function confusionJson({ counts, categoryIds }: ConfusionTable) {
  const size = categoryIds.length + 1;
  return {
    categoryIds: [...categoryIds],
    counts: Array.from({ length: size }, (_, row) => [...counts.subarray(row * size, (row + 1) * size)]),
  };
}

/** Evaluates and prints the twelve numbers, and what else was asked for. */
export async function cocoEval(options: CocoEvalOptions, output: Output): Promise<void> {
  const { gt, dt, json, perClass, threads = Math.min(DEFAULT_THREADS, availableParallelism()) } = options;
  const evaluation = await evaluateFiles({ gt, dt, threads });
  const { truth, results, stats, warnings } = evaluation;
  for (const warning of warnings) output.note(`${warning}\n`);
  output.text(`${formatStatistics(stats)}\n`);
  if (perClass) output.text(`\n${formatClassTable(evaluation)}\n`);
  const confusion = options.confusion ? confusionTable(truth, results) : undefined;
  if (confusion) output.text(`\n${confusionText(confusion)}`);
  const errors = options.errors ? errorBreakdown(truth, results) : undefined;
  if (errors) output.text(`\n${errorsText(errors)}`);
  if (!json) return;
  output.json({
    stats: [...stats],
    perClass: evaluation.perClass,
    ...(confusion && { confusion: confusionJson(confusion) }),
    ...(errors && { errors }),
  });
}
