// COCO's numbers of an evaluation, as tables and figures: by IoU, by size of objects, by class.
import { type ClassStatistics, type EvaluationResult, precisionRecallCurve, STATISTIC_NAMES } from "@caddet/coco";
import {
  barChart,
  detailsHtml,
  type FigureOptions,
  galleryHtml,
  lineChart,
  paragraphHtml,
  type ReportSection,
  tableHtml,
} from "@caddet/viz";
import type { RunEvaluation } from "./run-evaluation";

/** Classes that a chart can hold; a table has them all. */
const SHOWN_CLASSES = 20;
const CURVE_IOUS = [0.5, 0.75, 0.9];
/** With three decimals, as COCO prints them. It writes -1 where there is no object that counts, which is no accuracy. */
const orNone = (value: number) => (value < 0 ? Number.NaN : Math.round(value * 1000) / 1000);

function curves(coco: EvaluationResult): FigureOptions {
  const series = CURVE_IOUS.map((iou) => {
    const { recall, precision } = precisionRecallCurve(coco, { iou });
    const points = Array.from(recall, (r, i) => [r, orNone(precision[i]!)] as const);
    return { name: `IoU ${iou}`, points };
  });
  const title = "Precision over recall, mean of classes";
  return { html: lineChart({ title, xLabel: "recall", yLabel: "precision", series }), label: title };
}

function sizes(stats: ArrayLike<number>): FigureOptions {
  const title = "By size of objects";
  const at = (names: readonly (typeof STATISTIC_NAMES)[number][]) =>
    names.map((name) => orNone(stats[STATISTIC_NAMES.indexOf(name)]!));
  const html = barChart({
    title,
    labels: ["small, below 32²", "medium", "large, from 96²", "all"],
    series: [
      { name: "AP", values: at(["APsmall", "APmedium", "APlarge", "AP"]) },
      { name: "AR, 100 detections", values: at(["ARsmall", "ARmedium", "ARlarge", "AR100"]) },
    ],
    valueLabel: "mean over IoU 0.5 to 0.95",
  });
  return { html, label: title };
}

function classBars(classes: readonly ClassStatistics[]): FigureOptions[] {
  const rated = classes.filter(({ ap }) => ap >= 0).sort((a, b) => b.ap - a.ap);
  if (rated.length === 0) return [];
  const best = rated.slice(0, SHOWN_CLASSES);
  const title = rated.length > best.length ? `AP of the best ${best.length} of ${rated.length} classes` : "AP by class";
  const labels = best.map(({ name, categoryId }) => name || `class ${categoryId}`);
  return [
    {
      html: barChart({ title, labels, series: [{ name: "AP", values: best.map(({ ap }) => orNone(ap)) }] }),
      label: title,
    },
  ];
}

function classTable({ coco, dataset, imageIds }: RunEvaluation): string {
  const evaluated = new Set(imageIds);
  const objects = new Map<number, number>();
  dataset.annotations.categoryIndex.forEach((row, n) => {
    const { imageIndex, iscrowd } = dataset.annotations;
    if (iscrowd[n] || !evaluated.has(dataset.images.ids[imageIndex[n]!]!)) return;
    const id = dataset.categories.ids[row]!;
    objects.set(id, (objects.get(id) ?? 0) + 1);
  });
  const rows = coco.perClass.map((one) => [
    one.name,
    String(one.categoryId),
    objects.get(one.categoryId) ?? 0,
    ...[one.ap, one.ap50, one.ap75, one.apSmall, one.apMedium, one.apLarge, one.ar].map(orNone),
  ]);
  const header = ["class", "id", "objects", "AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR"];
  return tableHtml(header, rows, { caption: "Classes of the data set; – where there is no such object" });
}

/**
 * The section on accuracy.
 *
 * @param evaluation what was found
 * @returns tables and figures
 */
export function accuracySection(evaluation: RunEvaluation): ReportSection {
  const { coco, imageIds, results, source, medianMs } = evaluation;
  const numbers = STATISTIC_NAMES.map((name, i) => [name, orNone(coco.stats[i]!)] as const);
  const time = medianMs === undefined ? "" : `, ${medianMs.toFixed(1)} ms an image (median, network and NMS)`;
  const note = `${imageIds.length} ${imageIds.length === 1 ? "image" : "images"}, ${results.scores.length} detections, ${source}${time}.`;
  return {
    id: "accuracy",
    title: "Accuracy",
    note,
    html:
      coco.warnings.map(paragraphHtml).join("") +
      galleryHtml([curves(coco), sizes(coco.stats), ...classBars([...coco.perClass])]) +
      detailsHtml(
        "COCO's twelve numbers",
        tableHtml(["number", "value"], numbers, { caption: "COCO's twelve numbers; – where undefined" }),
      ) +
      detailsHtml(`Numbers of ${coco.perClass.length} classes`, classTable(evaluation)),
  };
}
