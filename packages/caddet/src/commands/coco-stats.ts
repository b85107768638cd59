// `caddet coco stats`: what is in a data set: classes, sizes, shapes, scale intervals and encodings.
import { type DatasetStatistics, datasetStatistics, type Spread } from "@caddet/coco";
import { findSplits, loadAnnotations, splitPaths } from "@caddet/coco/node";
import type { TargetSize } from "@caddet/core/base";
import { columns, type Output, plain } from "../output";
import { type ScaleStatistics, scaleStatistics } from "../scale-statistics";
import { skipText } from "../skip-text";

/** Options of the command. */
export interface CocoStatsOptions {
  /** Default: all. */
  readonly split?: readonly string[];
  /** Bounds of the shorter and the longer side that images are resized to; default: a training's. */
  readonly size?: TargetSize;
  readonly json: boolean;
}

type Row = readonly (string | number)[];

const percent = (part: number, whole: number) => (whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)}%`);

const spreadRow = (name: string, { min, median, p90, max, mean }: Spread): Row => [
  name,
  ...[min, median, p90, max, mean].map((value) => value.toFixed(1).replace(/\.0$/, "")),
];

const table = (...rows: readonly Row[]) => `${columns(rows.map((row) => row.map(String)))}\n`;

function scaleTables(
  { size, intervals, encodings, meanShare }: ScaleStatistics,
  images: number,
  boxes: number,
): string {
  const range = (upTo: number | null, k: number) =>
    upTo === null ? `above ${intervals[k - 1]!.upTo} px` : `up to ${upTo} px`;
  return (
    `Longer sides at ${size.shorter},${size.longer} px of the network's input (the paper's intervals)\n` +
    table(
      ["interval", "boxes", "", "images", ""],
      ...intervals.map(({ upTo, boxes: n, images: i }, k) => [
        range(upTo, k),
        n,
        percent(n, boxes),
        i,
        percent(i, images),
      ]),
    ) +
    table(
      ["encoding", "images", ""],
      ...encodings.map(({ encoding, images: n }) => [encoding, n, percent(n, images)]),
    ) +
    `mean share of intervals with objects ${meanShare.toFixed(3)}\n`
  );
}

function report(split: string, counted: DatasetStatistics, scales: ScaleStatistics): string {
  const { images, imagesWithoutAnnotations, boxes, crowds, sizes, aspects, perClass } = counted;
  return (
    `${split}: ${images} images (${imagesWithoutAnnotations} without annotations), ${boxes} boxes, ${crowds} crowds, ` +
    `${perClass.length} classes\n\n` +
    table(
      ["", "min", "median", "90%", "max", "mean"],
      spreadRow("boxes per image", counted.boxesPerImage),
      spreadRow("longer side of boxes, px", counted.longerSide),
      spreadRow("image width, px", counted.imageWidth),
      spreadRow("image height, px", counted.imageHeight),
    ) +
    table(
      ["boxes", "", ""],
      ["small (area up to 32² px)", sizes.small, percent(sizes.small, boxes)],
      ["medium (up to 96² px)", sizes.medium, percent(sizes.medium, boxes)],
      ["large", sizes.large, percent(sizes.large, boxes)],
      ["high (1:2 and more)", aspects.high, percent(aspects.high, boxes)],
      ["wide (2:1 and more)", aspects.wide, percent(aspects.wide, boxes)],
    ) +
    table(
      ["class", "boxes", "", "crowds", "images"],
      ...[...perClass]
        .sort((a, b) => b.boxes - a.boxes)
        .map(({ name, boxes: n, crowds: c, images: i }) => [plain(name), n, percent(n, boxes), c, i]),
    ) +
    scaleTables(scales, images, boxes)
  );
}

async function trainingSize(): Promise<TargetSize> {
  const { parseTrainConfig } = await import("@caddet/trainer");
  const { shorter, longer } = parseTrainConfig({}).data;
  return { shorter, longer };
}

/** Counts and prints. */
export async function cocoStats(folder: string, options: CocoStatsOptions, output: Output): Promise<void> {
  const size = options.size ?? (await trainingSize());
  const splits = [];
  for (const split of options.split ?? (await findSplits(folder))) {
    const { annotations: file } = await splitPaths(folder, split);
    const dataset = await loadAnnotations(file, { onBadEntry: "skip" });
    const leftOut = skipText(dataset.skipped);
    if (leftOut) output.note(`left out of ${file}: ${leftOut}\n`);
    const counted = datasetStatistics(dataset);
    const scales = scaleStatistics(dataset, size);
    splits.push({ split, ...counted, scales });
    if (!options.json) output.text(`${splits.length > 1 ? "\n\n" : ""}${report(split, counted, scales)}`);
  }
  if (options.json) output.json({ splits });
}
