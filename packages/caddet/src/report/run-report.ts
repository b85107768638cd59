// A run's report as one HTML file: what the run is, how its training went, and, where there is an evaluation, accuracy, cost, routes
// and detections. What is not there is said, and nothing stands in for it.
import { basename, resolve } from "node:path";
import { STATISTIC_NAMES } from "@caddet/coco";
import type { ClassEntry } from "@caddet/detector";
import { spreadOf, type TrainConfig } from "@caddet/trainer";
import { formatMadds, type ReportSection, reportHtml } from "@caddet/viz";
import type { RouteSpace } from "../route-space";
import { accuracySection } from "./accuracy-section";
import { detectionsSection } from "./detections-section";
import { costSection, type RouteSectionInput, routesSection, similaritySection } from "./route-sections";
import { imageContents } from "./route-statistics";
import type { RunEvaluation } from "./run-evaluation";
import { configurationSection, type Fact, summarySection } from "./run-sections";
import type { TrainingLog } from "./training-log";
import { progressSection, trainingSection } from "./training-section";

/** What a report is made of. */
export interface RunReportInput {
  /** The run's folder. */
  readonly run: string;
  readonly config: TrainConfig;
  readonly log: TrainingLog;
  /** The checkpoint that the report is about, in words. */
  readonly checkpoint?: string;
  /** By class index; empty where no checkpoint says. */
  readonly classes: readonly ClassEntry[];
  readonly evaluation?: RunEvaluation;
  /** Where routes are drawn in; absent for a static network. */
  readonly route?: RouteSpace;
  /** Most images that are shown, default 12. */
  readonly images?: number;
  /** What a reader must know. */
  readonly remarks: readonly string[];
  /** Of a report that is written while the run trains. */
  readonly live?: LiveState;
}

/** Where a run stands that is training, or has just ended. */
export interface LiveState {
  /** In words, with the step. */
  readonly state: string;
  /** Seconds after which a browser loads the page anew; absent when the run is over. */
  readonly refreshSeconds?: number;
  /** The routes of the last images that it trained on. */
  readonly routes?: ReportSection;
}

function facts({ config, log, checkpoint, classes, evaluation, live }: RunReportInput): Fact[] {
  const { backbone, head } = config.model as {
    backbone?: { type?: unknown; preset?: unknown };
    head?: { type?: unknown };
  };
  const network = [backbone?.type, backbone?.preset, head?.type].filter((part) => typeof part === "string");
  const total = config.schedule.maxSteps;
  const last = [...log.losses]
    .find(([name]) => name === "total")?.[1]
    .points()
    .at(-1);
  return [
    ...(network.length > 0 ? [["network", network.join(", ")] as const] : []),
    live ? ["state", live.state] : ["steps", `${log.lastStep}${total === null ? "" : ` of ${total}`}`],
    ...(last ? [["loss at the end", last[1].toPrecision(4)] as const] : []),
    ...(live ? [] : [["checkpoint", checkpoint ?? "none"] as const]),
    ...(classes.length > 0 ? [["classes", String(classes.length)] as const] : []),
    ...(evaluation ? evaluationFacts(evaluation) : live ? [] : [["evaluation", "none"] as const]),
  ];
}

function evaluationFacts({ coco, imageIds, madds, source }: RunEvaluation): Fact[] {
  const number = (i: number): Fact => [STATISTIC_NAMES[i]!, coco.stats[i]! < 0 ? "–" : coco.stats[i]!.toFixed(3)];
  const spread = madds && spreadOf(madds);
  return [
    ["evaluation", `${imageIds.length} ${imageIds.length === 1 ? "image" : "images"}, ${source}`],
    number(0),
    number(1),
    ...(spread
      ? [
          [
            "MAdds of blocks and paths",
            `mean ${formatMadds(spread.mean)}, from ${formatMadds(spread.min)} to ${formatMadds(spread.max)}`,
          ] as const,
        ]
      : []),
  ];
}

async function evaluationSections(
  { config, route, images = 12 }: RunReportInput,
  evaluation: RunEvaluation,
): Promise<ReportSection[]> {
  const contents = imageContents(evaluation.dataset, evaluation.imageIds, config);
  const { madds, gates } = evaluation;
  const sections = [accuracySection(evaluation)];
  if (route && madds && gates) {
    const input: RouteSectionInput = { evaluation: { ...evaluation, madds, gates }, route, config, contents };
    const similarity = await similaritySection(input);
    sections.push(costSection(input), routesSection(input), ...(similarity ? [similarity] : []));
  }
  return [...sections, await detectionsSection(evaluation, contents, images)];
}

/**
 * Writes a run's report.
 *
 * @param input what is known of the run
 * @returns the HTML file's text
 */
export async function runReport(input: RunReportInput): Promise<string> {
  const { run, config, log, evaluation, classes, remarks, live } = input;
  const progress = progressSection(log.evaluations);
  return reportHtml({
    title: `CADDet run ${basename(resolve(run))}`,
    subtitle: "What was trained, how well it detects, and which routes it takes.",
    ...(live?.refreshSeconds === undefined ? {} : { refreshSeconds: live.refreshSeconds }),
    sections: [
      summarySection(facts(input), remarks),
      ...(evaluation ? await evaluationSections(input, evaluation) : []),
      trainingSection(log),
      ...(progress ? [progress] : []),
      ...(live?.routes ? [live.routes] : []),
      configurationSection(config, evaluation ? [] : classes),
    ],
  });
}
