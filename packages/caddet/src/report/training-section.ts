// The sections of a report that need no more than the run's log: losses, rate, gradients, costs over steps, and evaluations made on
// the way.
import { type FigureOptions, galleryHtml, lineChart, paragraphHtml, type ReportSection, tableHtml } from "@caddet/viz";
import type { StepCurve } from "./step-curve";
import type { LoggedEvaluation, TrainingLog } from "./training-log";

/** More in one figure cannot be told apart. */
const MOST_CURVES = 8;

interface CurveFigure {
  readonly title: string;
  readonly yLabel: string;
  readonly curves: readonly (readonly [name: string, curve: StepCurve, scale?: number])[];
  readonly logY?: boolean;
}

function curveFigure({ title, yLabel, curves, logY = false }: CurveFigure): FigureOptions {
  const series = curves.map(([name, curve, scale = 1]) => ({
    name,
    points: curve.points().map(([step, value]) => [step, value * scale] as const),
  }));
  return { html: lineChart({ title, xLabel: "step", yLabel, series, logY }), label: title };
}

/**
 * The section on training.
 *
 * @param log what the run did
 * @returns figures of what there is
 */
export function trainingSection(log: TrainingLog): ReportSection {
  const { losses, learningRate, gradientNorm, imagesPerSecond, openPaths, madds } = log;
  const section = { id: "training", title: "Training" };
  const broken =
    log.brokenLines === 0
      ? ""
      : paragraphHtml(
          `${log.brokenLines} ${log.brokenLines === 1 ? "line" : "lines"} of metrics.jsonl could not be read and ` +
            `${log.brokenLines === 1 ? "is" : "are"} missing here.`,
        );
  const left =
    log.nonFinite === 0 ? "" : paragraphHtml(`${log.nonFinite} batches were left out: a loss or gradient not finite.`);
  if (log.lastStep === 0) return { ...section, html: paragraphHtml("The run has no steps yet.") + broken };
  const figures = [
    curveFigure({ title: "Losses", yLabel: "loss", curves: [...losses], logY: true }),
    ...(madds.mean.points().length > 0
      ? [
          curveFigure({
            title: "Executed MAdds in a batch",
            yLabel: "million MAdds",
            curves: (["max", "mean", "min"] as const).map((kind) => [kind, madds[kind], 1e-6] as const),
          }),
          curveFigure({ title: "Open paths", yLabel: "percent of paths", curves: [["open", openPaths, 100]] }),
        ]
      : []),
    curveFigure({
      title: "Gradient norm before clipping",
      yLabel: "L2 norm",
      curves: [["norm", gradientNorm]],
      logY: true,
    }),
    curveFigure({ title: "Learning rate", yLabel: "rate", curves: [["rate", learningRate]] }),
    curveFigure({ title: "Speed", yLabel: "images a second", curves: [["images", imagesPerSecond]] }),
  ];
  const note = "Points are means over stretches of steps. MAdds are those of blocks and paths that ran.";
  return { ...section, note, html: broken + left + galleryHtml(figures) };
}

/**
 * The section on evaluations that were made while training.
 *
 * @param evaluations in their order
 * @returns curves of the numbers, and the last ones; undefined where there was none
 */
export function progressSection(evaluations: readonly LoggedEvaluation[]): ReportSection | undefined {
  const last = evaluations.at(-1);
  if (!last) return undefined;
  const names = Object.keys(last.metrics);
  const values = (name: string) => evaluations.map(({ metrics }) => metrics[name] ?? Number.NaN);
  // Accuracies share an axis; what has another unit, such as MAdds, gets its own. COCO writes -1 where there is nothing to rate.
  const isShare = (name: string) => values(name).every((value) => !(Math.abs(value) > 1));
  const groups = [
    names.filter(isShare).slice(0, MOST_CURVES),
    ...names.filter((name) => !isShare(name)).map((one) => [one]),
  ];
  const figures = groups
    .filter((group) => group.length > 0)
    .slice(0, MOST_CURVES)
    .map((group): FigureOptions => {
      const title = group.length > 1 ? "Accuracy while training" : `${group[0]} while training`;
      const series = group.map((name) => ({
        name,
        points: values(name).map((value, i) => [evaluations[i]!.step, value === -1 ? Number.NaN : value] as const),
      }));
      return { html: lineChart({ title, xLabel: "step", yLabel: "value", series }), label: title };
    });
  const rows = Object.entries(last.metrics).map(([name, value]) => [name, value === -1 ? Number.NaN : value] as const);
  return {
    id: "progress",
    title: "Evaluations while training",
    note: `The last one is of step ${last.step}.`,
    html: galleryHtml(figures) + tableHtml(["number", "value"], rows, { caption: `After step ${last.step}` }),
  };
}
