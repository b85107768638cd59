// `caddet coco draw`: images with their annotated boxes and, if given, detections.
import { mkdir, realpath, writeFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { type CocoDataset, type CocoResults, groundTruthOf, indexByImage } from "@caddet/coco";
import { loadAnnotations, loadResults, readImageInside } from "@caddet/coco/node";
import { ConfigError, DatasetError, type Detections } from "@caddet/core/base";
import { annotatedImage } from "../annotated-image";
import type { Output } from "../output";
import { skipText } from "../skip-text";

/** Options of the command. */
export interface CocoDrawOptions {
  readonly gt: string;
  readonly images: string;
  readonly dt?: string;
  readonly threshold: number;
  readonly limit?: number;
  readonly out: string;
  readonly json: boolean;
}

// The detections of each image by its id, with labels for category ids.
function detectionsByImage(results: CocoResults, { categories }: CocoDataset): ReadonlyMap<number, Detections> {
  const { imageIds, categoryIds, boxes, scores } = results;
  const labelOf = new Map(Array.from(categories.ids, (id, label) => [id, label] as const));
  const rowsOf = new Map<number, number[]>();
  imageIds.forEach((id, n) => {
    const label = labelOf.get(categoryIds[n]!);
    if (label === undefined) {
      const message = `Detection ${n} is of category ${categoryIds[n]}, which the annotations lack. Take the annotations that belong to the results.`;
      throw new DatasetError(message, { entry: n, imageId: id });
    }
    const rows = rowsOf.get(id) ?? [];
    rowsOf.set(id, rows);
    rows.push(n);
  });
  const detections = ([id, rows]: [number, number[]]): [number, Detections] => {
    const corners = rows.flatMap((n) => {
      const [x, y, w, h] = boxes.subarray(n * 4, n * 4 + 4) as unknown as [number, number, number, number];
      return [x, y, x + w, y + h];
    });
    const labels = Int32Array.from(rows, (n) => labelOf.get(categoryIds[n]!)!);
    return [id, { boxes: Float32Array.from(corners), scores: Float32Array.from(rows, (n) => scores[n]!), labels }];
  };
  return new Map([...rowsOf].map(detections));
}

// Drawings must not take the place of the images.
async function outFolder(out: string, images: string): Promise<string> {
  await mkdir(out, { recursive: true });
  const path = await realpath(out);
  const [a, b] = [path + sep, images + sep];
  if (a.startsWith(b) || b.startsWith(a)) {
    throw new ConfigError(`--out ${out} and --images ${images} must not lie in one another. Choose another folder.`);
  }
  return path;
}

const drawingName = (file: string) => (/\.jpe?g$/i.test(file) ? file : `${file}.jpg`);

async function imageFolder(images: string): Promise<string> {
  return realpath(images).catch((cause) => {
    throw new DatasetError(`No folder ${images}. Check --images.`, { images }, { cause });
  });
}

/**
 * Draws and says where.
 *
 * @returns 1 when an image could not be drawn, else 0
 */
export async function cocoDraw(options: CocoDrawOptions, output: Output): Promise<number> {
  const folder = await imageFolder(options.images);
  const dataset = await loadAnnotations(options.gt, { onBadEntry: "skip" });
  const leftOut = skipText(dataset.skipped);
  if (leftOut) output.note(`left out of ${options.gt}: ${leftOut}\n`);
  const found = options.dt === undefined ? undefined : detectionsByImage(await loadResults(options.dt), dataset);
  const out = await outFolder(options.out, folder);
  const { images, categories } = dataset;
  const index = indexByImage(dataset);
  const drawn: string[] = [];
  let failures = 0;
  for (let i = 0; i < Math.min(images.ids.length, options.limit ?? Number.POSITIVE_INFINITY); i++) {
    const file = images.fileNames[i]!;
    try {
      const picture = await annotatedImage(await readImageInside(folder, file), {
        size: { width: images.widths[i]!, height: images.heights[i]! },
        truth: groundTruthOf(dataset, index, i),
        found: found?.get(images.ids[i]!),
        classNames: categories.names,
        minScore: options.threshold,
      });
      const target = join(out, drawingName(file));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, picture);
      drawn.push(drawingName(file));
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      failures++;
      output.note(`not drawn: ${file}: ${error.message}\n`);
    }
  }
  if (options.json) output.json({ out, drawn, failures });
  else output.text(`${drawn.length} images in ${out}${failures > 0 ? `, ${failures} not drawn` : ""}\n`);
  return failures > 0 ? 1 : 0;
}
