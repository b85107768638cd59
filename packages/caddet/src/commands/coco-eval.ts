// `caddet coco eval`: COCO's numbers of a results file.
import { evaluateDetections, formatStatistics } from "@caddet/coco";
import { loadAnnotations, loadResults } from "@caddet/coco/node";
import type { Output } from "../output";

export interface CocoEvalOptions {
  readonly gt: string;
  readonly dt: string;
  readonly json: boolean;
}

/** Evaluates and prints the twelve numbers. */
export async function cocoEval({ gt, dt, json }: CocoEvalOptions, output: Output): Promise<void> {
  const truth = await loadAnnotations(gt, { onBadEntry: "keep" });
  const { stats, perClass, warnings } = evaluateDetections(truth, await loadResults(dt));
  for (const warning of warnings) output.note(`${warning}\n`);
  output.text(`${formatStatistics(stats)}\n`);
  if (json) output.json({ stats: [...stats], perClass });
}
