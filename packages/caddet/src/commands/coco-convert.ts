// `caddet coco convert`: YOLO and Pascal VOC folders to an instances file, and results to YOLO's label files.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { resultsToYolo } from "@caddet/coco";
import { loadAnnotations, loadResults, readVocFolder, readYoloFolder, writeInstances } from "@caddet/coco/node";
import type { Output } from "../output";

/** Options of the command. */
export interface CocoConvertOptions {
  readonly from: "yolo" | "voc" | "results";
  readonly to?: "coco" | "yolo";
  readonly gt?: string;
  readonly dt?: string;
  readonly split?: string;
  readonly names?: readonly string[];
  readonly out: string;
  readonly json: boolean;
}

async function folderToInstances(folder: string, options: CocoConvertOptions, output: Output): Promise<void> {
  const { from, split, names, out, json } = options;
  const read = from === "yolo" ? readYoloFolder : readVocFolder;
  const dataset = await read(folder, { split, names });
  await mkdir(dirname(out), { recursive: true });
  await writeInstances(out, dataset);
  const counts = {
    images: dataset.images.ids.length,
    annotations: dataset.annotations.ids.length,
    classes: dataset.categories.ids.length,
  };
  if (json) output.json({ out, imageFolder: dataset.imageFolder, ...counts });
  else {
    const { images, annotations, classes } = counts;
    output.text(`${out}: ${images} images, ${annotations} annotations, ${classes} classes\n`);
    output.text(`file names start from ${dataset.imageFolder}\n`);
  }
}

async function resultsToLabels(
  gt: string,
  dt: string,
  { out, json }: CocoConvertOptions,
  output: Output,
): Promise<void> {
  const dataset = await loadAnnotations(gt, { onBadEntry: "skip" });
  const results = await loadResults(dt);
  const files = resultsToYolo(results, dataset);
  await mkdir(out, { recursive: true });
  for (const { file, text } of files) {
    await mkdir(dirname(join(out, file)), { recursive: true });
    await writeFile(join(out, file), text);
  }
  if (json) output.json({ out, files: files.length, detections: results.scores.length });
  else output.text(`${out}: ${files.length} files, ${results.scores.length} detections\n`);
}

/**
 * What is missing or too much in a call; undefined when it can be run.
 *
 * @param folder the folder to read, if one was named
 */
export function convertFault(folder: string | undefined, options: CocoConvertOptions): string | undefined {
  const { from, to, gt, dt, split, names } = options;
  if (from !== "results") {
    if (folder === undefined) return `--from ${from} needs the folder to read`;
    if (to === "yolo") return `--from ${from} goes to COCO's instances file, not to YOLO`;
    return gt === undefined && dt === undefined ? undefined : "--gt and --dt go with --from results";
  }
  if (folder !== undefined) return "--from results takes --gt and --dt, no folder";
  if (gt === undefined || dt === undefined) return "--from results needs --gt and --dt";
  if (to !== "yolo") return "--from results needs --to yolo";
  return split === undefined && names === undefined ? undefined : "--split and --names go with folders";
}

/** Converts and says where. The call must have no {@link convertFault}. */
export async function cocoConvert(
  folder: string | undefined,
  options: CocoConvertOptions,
  output: Output,
): Promise<void> {
  if (options.from === "results") await resultsToLabels(options.gt!, options.dt!, options, output);
  else await folderToInstances(folder!, options, output);
}
