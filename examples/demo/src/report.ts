// The demo's report: curves, detections drawn on images, the routes of an easy and a busy image (Fig. 7 of the paper), the spread of
// MAdds. One self-contained HTML file.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeScales } from "@caddet/budget";
import { type CocoDataset, groundTruthOf, indexByImage, STATISTIC_NAMES } from "@caddet/coco";
import type { ClassEntry, Detector } from "@caddet/detector";
import type { Supernet } from "@caddet/supernet";
import type { DetectorEvaluation, StepRecord, TrainConfig } from "@caddet/trainer";
import {
  detectionsSvg,
  figureHtml,
  formatMadds,
  galleryHtml,
  histogramSvg,
  lineChart,
  reportHtml,
  routeSvg,
  tableHtml,
} from "@caddet/viz";

/** What the report shows. */
export interface ReportInput {
  readonly detector: Detector;
  readonly dataset: CocoDataset;
  /** Folder of the data set's images. */
  readonly images: string;
  readonly classes: readonly ClassEntry[];
  readonly config: TrainConfig;
  readonly records: readonly StepRecord[];
  readonly evaluation: DetectorEvaluation;
  readonly isEasy: (imageId: number) => boolean;
}

const SHOWN = 3;
const MIN_SCORE = 0.3;
const SMOOTHING = 20;

// Means over stretches of steps, so that a curve shows the trend.
function smooth(records: readonly StepRecord[], value: (record: StepRecord) => number | undefined): [number, number][] {
  const points: [number, number][] = [];
  for (let i = 0; i < records.length; i += SMOOTHING) {
    const part = records.slice(i, i + SMOOTHING);
    const values = part.map(value).filter((v) => v !== undefined);
    if (values.length > 0) points.push([part.at(-1)!.step, values.reduce((a, b) => a + b, 0) / values.length]);
  }
  return points;
}

// One row a setting, by its dotted path.
function settings(value: object, at = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, v]): [string, string][] => {
    const path = at ? `${at}.${key}` : key;
    return typeof v === "object" && v !== null && !Array.isArray(v) ? settings(v, path) : [[path, JSON.stringify(v)]];
  });
}

/**
 * Builds the report.
 *
 * @param input run, data set and evaluation
 * @returns the HTML file's text
 */
export async function buildReport(input: ReportInput): Promise<string> {
  const { detector, dataset, images, classes, config, records, evaluation, isEasy } = input;
  const { coco, results, imageIds } = evaluation;
  const madds = evaluation.madds!;
  const gates = evaluation.gates!;
  const { space } = detector.backbone as Supernet;
  const index = indexByImage(dataset);
  const classNames = classes.map(({ name }) => name);
  const rows = new Map(Array.from(dataset.images.ids, (id, row) => [id, row]));

  const picture = async (imageId: number) => {
    const row = rows.get(imageId)!;
    const truth = groundTruthOf(dataset, index, row);
    const own = [...results.imageIds.keys()].filter((n) => results.imageIds[n] === imageId);
    const boxes = own.flatMap((n) => {
      const [x, y, w, h] = results.boxes.subarray(n * 4, n * 4 + 4) as unknown as [number, number, number, number];
      return [x, y, x + w, y + h];
    });
    const jpeg = await readFile(join(images, dataset.images.fileNames[row]!));
    const at = imageIds.indexOf(imageId);
    const svg = detectionsSvg({
      imageHref: `data:image/jpeg;base64,${jpeg.toString("base64")}`,
      width: dataset.images.widths[row]!,
      height: dataset.images.heights[row]!,
      boxes: Float32Array.from(boxes),
      labels: Int32Array.from(own, (n) => classes.findIndex(({ id }) => id === results.categoryIds[n])),
      scores: Float32Array.from(own, (n) => results.scores[n]!),
      classNames,
      truths: truth,
      minScore: MIN_SCORE,
      title: `Detections in image ${imageId}`,
    });
    return { html: svg, caption: `image ${imageId}, ${formatMadds(madds[at]!)} MAdds` };
  };
  const cost = detector.backbone.routing!;
  const total = (row: number) => {
    const portrait = dataset.images.heights[row]! > dataset.images.widths[row]!;
    const { shorter, longer } = config.data;
    const { node, path } = cost.cost(portrait ? longer : shorter, portrait ? shorter : longer);
    return [...Array.from(node), ...Array.from(path)].reduce((a, b) => a + b, 0);
  };
  const route = (imageId: number, kind: string) => {
    const at = imageIds.indexOf(imageId);
    const paths = space.paths.length;
    return figureHtml({
      html: routeSvg(space, gates.subarray(at * paths, (at + 1) * paths), {
        title: `Route of ${kind} image ${imageId}`,
        madds: madds[at]!,
        totalMadds: total(rows.get(imageId)!),
        scaleLabels: space.shape.channels.map((_, s) => `stride ${8 * 2 ** s}`),
      }),
    });
  };
  const easy = imageIds.filter(isEasy);
  const busy = imageIds.filter((id) => !isEasy(id));
  const occupied = (imageId: number) => {
    const { boxes, crowd } = groundTruthOf(dataset, index, rows.get(imageId)!);
    return encodeScales(boxes, { intervals: config.budget.intervals, crowd }).reduce((a, b) => a + b, 0);
  };
  const groups = [1, 2, 3, 4].map((n) => ({
    name: `${n} scale interval${n > 1 ? "s" : ""}`,
    values: imageIds.flatMap((id, i) => (occupied(id) === n ? [madds[i]! / 1e6] : [])),
  }));
  const termNames = Object.keys(records.at(-1)?.loss ?? {}).filter((name) => name !== "total");
  const shownEasy = easy.slice(0, SHOWN);
  const shownBusy = busy.slice(0, SHOWN);
  const number = (v: number) => (v < 0 ? "–" : v.toFixed(3));

  return reportHtml({
    title: "CADDet on drawn scenes",
    subtitle: `${records.length} steps of ${config.data.batchSize} images, AP ${number(coco.stats[0]!)} on ${imageIds.length} held-out scenes`,
    sections: [
      {
        id: "accuracy",
        title: "Accuracy",
        html:
          tableHtml(
            ["measure", "value"],
            STATISTIC_NAMES.map((name, i) => [name, number(coco.stats[i]!)]),
          ) +
          tableHtml(
            ["class", "AP", "AP50", "AP75"],
            coco.perClass.map((c) => [c.name, number(c.ap), number(c.ap50), number(c.ap75)]),
          ),
      },
      {
        id: "cost",
        title: "Cost follows content",
        note: "Executed MAdds of blocks and paths for each held-out scene, by how many scale intervals its objects occupy.",
        html: figureHtml({
          html: histogramSvg({
            series: groups.filter(({ values }) => values.length > 0),
            title: "MAdds by scale encoding",
            xLabel: "million MAdds",
            yLabel: "scenes",
          }),
        }),
      },
      {
        id: "routes",
        title: "Routes",
        note: "Columns are layers, rows are scales; a line's width is its gate. As in Fig. 7 of the paper.",
        html: route(shownEasy[0]!, "easy") + route(shownBusy[0]!, "busy"),
      },
      {
        id: "detections",
        title: "Detections",
        note: `Scores of ${MIN_SCORE} and more; dotted boxes are the truth.`,
        html: galleryHtml(await Promise.all([...shownEasy, ...shownBusy].map(picture))),
      },
      {
        id: "training",
        title: "Training",
        html: galleryHtml([
          {
            html: lineChart({
              series: termNames.map((name) => ({ name, points: smooth(records, (r) => r.loss[name]) })),
              title: "Loss terms",
              xLabel: "step",
              yLabel: "loss",
              logY: true,
            }),
          },
          {
            html: lineChart({
              series: (["max", "mean", "min"] as const).map((name) => ({
                name,
                points: smooth(records, (r) => r.madds && r.madds[name] / 1e6),
              })),
              title: "Executed MAdds in a batch",
              xLabel: "step",
              yLabel: "million MAdds",
            }),
          },
        ]),
      },
      {
        id: "configuration",
        title: "Configuration",
        html: tableHtml(["setting", "value"], settings(config)),
      },
    ],
  });
}
