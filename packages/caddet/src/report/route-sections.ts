// What the routers do, as in Figures 6 and 7 of the paper: cost by what is in an image, mean routes of easy and busy images, how often
// nodes run, and whether images of like scales take like routes.
import { paddedSize, resizedSize, type Size } from "@caddet/core/base";
import { pathSimilarity, scaleSimilarity } from "@caddet/path-sim";
import { spreadOf, type TrainConfig } from "@caddet/trainer";
import {
  detailsHtml,
  type FigureOptions,
  figureHtml,
  formatMadds,
  galleryHtml,
  histogramRowsSvg,
  matrixSvg,
  paragraphHtml,
  type ReportSection,
  routeLegendSvg,
  routeSvg,
  tableHtml,
  usageSvg,
} from "@caddet/viz";
import * as tf from "@tensorflow/tfjs-core";
import type { RouteSpace } from "../route-space";
import { easyAndBusy, gatesAt, type ImageContent, type ImageGates, meanGates, nodeUsage } from "./route-statistics";
import type { RunEvaluation } from "./run-evaluation";

/** What the sections are drawn from. */
export interface RouteSectionInput {
  readonly evaluation: RunEvaluation & Required<Pick<RunEvaluation, "madds" | "gates">>;
  readonly route: RouteSpace;
  readonly config: Pick<TrainConfig, "data" | "budget">;
  /** One entry an image of the evaluation. */
  readonly contents: readonly ImageContent[];
}

const MAX_ENCODINGS = 16;
const MATRIX_IMAGES = 12;

/** Names of a supernet's scales by their strides. */
export function strideNames({ space }: Pick<RouteSpace, "space">): string[] {
  return space.shape.channels.map((_, s) => `stride ${8 * 2 ** s}`);
}

// What lies below is rounding's.
const thousandths = (value: number) => Math.round(value * 1000) / 1000;
const encodingName = ({ encoding }: Pick<ImageContent, "encoding">) => Array.from(encoding).join("");
const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;

function intervalNames(ends: readonly number[], pixels: string): string {
  const parts = [...ends.map((end, i) => `${i === 0 ? 0 : ends[i - 1]}–${end}`), `above ${ends.at(-1) ?? 0}`];
  return `${parts.join(", ")} (longer side in ${pixels} pixels)`;
}

/**
 * The section on cost.
 *
 * @param input evaluation and contents of its images
 * @returns MAdds by scale encoding
 */
export function costSection({ evaluation: { madds }, contents, config }: RouteSectionInput): ReportSection {
  const groups = new Map<string, number[]>();
  contents.forEach((content, i) => {
    const name = encodingName(content);
    groups.set(name, [...(groups.get(name) ?? []), madds[i]! / 1e6]);
  });
  const ones = (name: string) => [...name].filter((digit) => digit === "1").length;
  const sorted = [...groups].sort(([a], [b]) => ones(a) - ones(b) || (a < b ? 1 : -1));
  // The frequent ones, where there are too many for a figure; the table has them all.
  const frequent = [...sorted].sort(([, a], [, b]) => b.length - a.length).slice(0, MAX_ENCODINGS);
  const shown = sorted.filter((group) => frequent.includes(group));
  const title = "MAdds by scale encoding";
  const html = histogramRowsSvg({
    title,
    xLabel: "million MAdds of blocks and paths",
    rows: shown.map(([name, values]) => ({ name: `${name} · ${plural(values.length, "image")}`, values })),
  });
  const { mean, min, max, std } = spreadOf(madds);
  const rows = sorted.map(([name, values]) => {
    const spread = spreadOf(values);
    const [mean, min, max, std] = [spread.mean, spread.min, spread.max, spread.std].map(thousandths);
    return [name, values.length, mean!, min!, max!, std!] as const;
  });
  return {
    id: "cost",
    title: "Cost by content",
    note:
      `Each digit of an encoding is a scale interval, 1 where an image has an object in it: ` +
      `${intervalNames(config.budget.intervals, config.budget.pixels)}. Triangles are means.`,
    html:
      paragraphHtml(
        `Over all images: mean ${formatMadds(mean)} MAdds, from ${formatMadds(min)} to ${formatMadds(max)}, standard deviation ${formatMadds(std)}.`,
      ) +
      figureHtml({ html, label: title }) +
      detailsHtml(
        "The numbers",
        tableHtml(["encoding", "images", "mean, M", "least, M", "most, M", "std, M"], rows, { caption: title }),
      ),
  };
}

function inputOf({ images }: RunEvaluation["dataset"], imageId: number, data: TrainConfig["data"]): Size {
  const row = images.ids.indexOf(imageId);
  return paddedSize(resizedSize({ width: images.widths[row]!, height: images.heights[row]! }, data), data.padTo);
}

/**
 * The section on routes.
 *
 * @param input evaluation, routing space, contents of its images
 * @returns mean routes and usage of easy and busy images, and the routes of one of each
 */
export function routesSection({ evaluation, route, config, contents }: RouteSectionInput): ReportSection {
  const { madds, gates, imageIds, dataset } = evaluation;
  const { space, threshold } = route;
  const all: ImageGates = { gates, paths: space.paths.length };
  const scaleLabels = strideNames(route);
  const { easy, busy } = easyAndBusy(contents);
  const everything = imageIds.map((_, i) => i);
  const groups = [
    ["easy images", easy],
    ["busy images", busy],
  ] as const;
  const compared = easy.length === 0 ? ([["images", everything]] as const) : groups;
  const meanMadds = (places: readonly number[]) => places.reduce((sum, i) => sum + madds[i]!, 0) / places.length;
  const means = compared.map(([name, places]): FigureOptions => {
    const cost = `${formatMadds(meanMadds(places))} MAdds on average`;
    const html = routeSvg(space, meanGates(all, places), {
      title: `Mean route of ${plural(places.length, name.replace(/s$/, ""))}`,
      threshold,
      caption: cost,
      scaleLabels,
      compact: true,
    });
    return { html, label: `Mean route of ${name}: ${cost}` };
  });
  const usage = compared.map(([name, places]): FigureOptions => {
    const title = `Nodes that run, % of ${name}`;
    return { html: usageSvg(space, nodeUsage(space, all, places, threshold), { title, scaleLabels }), label: title };
  });
  const single = (place: number, kind: string): FigureOptions => {
    const imageId = imageIds[place]!;
    const total = route.totalMadds(inputOf(dataset, imageId, config.data));
    const title = `Route of ${kind}image ${imageId}`;
    const options = { title, threshold, madds: madds[place]!, totalMadds: total, scaleLabels };
    const { encoding, objects } = contents[place]!;
    const caption = `${title}: encoding ${Array.from(encoding).join("")}, ${plural(objects, "object")}`;
    return { html: routeSvg(space, gatesAt(all, place), options), caption };
  };
  const singles =
    easy.length === 0 ? [single(0, "")] : [single(easy[0]!, "the easiest "), single(busy[0]!, "the busiest ")];
  return {
    id: "routes",
    title: "Routes",
    note:
      "Columns are layers, rows are scales from fine to coarse; a line's width is its gate (Figures 6 and 7 of the paper). Easy and busy " +
      "images are the thirds with the fewest and the most occupied scale intervals, then objects.",
    html:
      galleryHtml(means) +
      figureHtml({ html: routeLegendSvg({ width: 340 }), label: "Marks" }) +
      galleryHtml(usage) +
      singles.map(figureHtml).join(""),
  };
}

/** Routes of images that a run has trained on. */
export interface SeenRoutes {
  readonly images: number;
  /** `[P]`, their mean gates. */
  readonly gates: ArrayLike<number>;
  /** `[nodes]` in [0, 1]: the share of them in which each node runs. */
  readonly usage: ArrayLike<number>;
}

/**
 * The section on routes of a run that is training.
 *
 * @param route space and threshold
 * @param seen what its last images took
 */
export function seenRoutesSection(
  route: Pick<RouteSpace, "space" | "threshold">,
  { images, gates, usage }: SeenRoutes,
): ReportSection {
  const scaleLabels = strideNames(route);
  const title = `Mean route of ${plural(images, "image")}`;
  const options = { title, threshold: route.threshold, caption: "soft gates, as trained", scaleLabels, compact: true };
  return {
    id: "routes",
    title: "Routes while training",
    note: "Columns are layers, rows are scales from fine to coarse; a line's width is its mean gate over the images of the last epoch.",
    html:
      galleryHtml([
        { html: routeSvg(route.space, gates, options), label: title },
        {
          html: usageSvg(route.space, usage, { title: "Nodes that run, % of images", scaleLabels }),
          label: "Node usage",
        },
      ]) + figureHtml({ html: routeLegendSvg({ width: 340 }), label: "Marks" }),
  };
}

/**
 * The section on similarity: Eq. 5 beside Eq. 6 for the same images.
 *
 * @param input evaluation and contents of its images
 * @returns two matrices; undefined for fewer than two images
 */
export async function similaritySection(input: RouteSectionInput): Promise<ReportSection | undefined> {
  const { evaluation, contents, route } = input;
  const order = contents.map((_, i) => i).sort((a, b) => contents[a]!.objects - contents[b]!.objects || a - b);
  order.sort((a, b) => encodingName(contents[b]!).localeCompare(encodingName(contents[a]!)));
  const count = Math.min(MATRIX_IMAGES, order.length);
  if (count < 2) return undefined;
  const chosen = Array.from({ length: count }, (_, i) => order[Math.floor((i * order.length) / count)]!);
  const all: ImageGates = { gates: evaluation.gates, paths: route.space.paths.length };
  const labels = chosen.map((i) => `${encodingName(contents[i]!)} #${evaluation.imageIds[i]}`);
  const [scales, paths] = await Promise.all(
    tf
      .tidy(() => [
        scaleSimilarity(chosen.map((i) => contents[i]!.encoding)),
        pathSimilarity(tf.tensor2d(chosen.map((i) => Array.from(gatesAt(all, i))))),
      ])
      .map(async (matrix) => {
        const values = await matrix.data();
        matrix.dispose();
        return values;
      }),
  );
  const figure = (title: string, values: ArrayLike<number>): FigureOptions => {
    // Only rows carry names that have to be read; columns are the same images in the same order.
    const columnLabels = chosen.map((_, i) => String(i + 1));
    const rowLabels = labels.map((text, i) => `${i + 1}  ${text}`);
    const options = { title, rowLabels, columnLabels, range: [0, 1] as const, cell: 30 };
    return { html: matrixSvg({ ...options, values: Array.from(values, (v) => Math.min(1, v)) }), label: title };
  };
  return {
    id: "similarity",
    title: "Similarity of scales and of routes",
    note: `${count} images in order of their scale encodings, with their ids. Training asks the routes of like images to be alike (Eq. 5 to 8).`,
    html: galleryHtml([figure("Scale similarity (Eq. 5)", scales!), figure("Path similarity (Eq. 6)", paths!)]),
  };
}
