// The files that `caddet detect` writes: drawings and routes, one an image, and COCO results at the end. Each is written whole or not at
// all. Printing is the command's business.
import { access, constants, mkdir, readFile, realpath } from "node:fs/promises";
import { dirname, sep } from "node:path";
import type { CocoResults } from "@caddet/coco";
import { loadAnnotations, writeResults } from "@caddet/coco/node";
import { ConfigError, DatasetError, type Detections } from "@caddet/core";
import type { ClassEntry } from "@caddet/detector";
import type { DetectedObject, ImageSource, InferenceResult } from "@caddet/inferencer";
import { writeFileAtomic } from "@caddet/trainer/node";
import { routeSvg } from "@caddet/viz";
import { annotatedImage } from "./annotated-image";
import type { DetectItem } from "./detect-inputs";
import type { RouteSpace } from "./route-space";

/** What is found in one image. */
export interface Found {
  readonly item: DetectItem;
  readonly source: ImageSource;
  readonly result: InferenceResult;
}

/**
 * Makes a folder for results, and checks that files can be put into it.
 *
 * @param folder its path
 * @param option the option that named it, for error texts
 * @returns its real path
 * @throws ConfigError when that is not possible
 */
export async function writableFolder(folder: string, option: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    return await realpath(folder);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      `${option} ${folder} cannot be written to: ${reason}. Choose another folder.`,
      { folder },
      { cause },
    );
  }
}

/** Gives each image a name of its own among the files of a folder: images of equal names get a number. */
export function fileNames(): (baseName: string, ending: string) => string {
  const taken = new Set<string>();
  return (baseName, ending) => {
    const name = ending === ".jpg" && /\.jpe?g$/i.test(baseName) ? baseName : `${baseName}${ending}`;
    for (let n = 1; ; n++) {
      const candidate = n === 1 ? name : name.replace(/(\.[^.]+)$/, `-${n}$1`);
      // Some file systems take upper and lower case for the same.
      if (taken.has(candidate.toLowerCase())) continue;
      taken.add(candidate.toLowerCase());
      return candidate;
    }
  };
}

/**
 * Refuses to read from where drawings go: they would take the place of images, or be looked at in turn.
 *
 * @param out real path of the folder of drawings
 * @param path of an image
 * @throws ConfigError when the image lies in the folder
 */
export async function checkNotInside(out: string, path: string): Promise<void> {
  const folder = await realpath(dirname(path)).catch(() => undefined);
  if (folder === undefined || !`${folder}${sep}`.startsWith(out.endsWith(sep) ? out : `${out}${sep}`)) return;
  throw new ConfigError(`${path} lies in --out ${out}, and drawings must not meet images. Choose another folder.`, {
    path,
    out,
  });
}

function detectionsOf(objects: readonly DetectedObject[], classes: readonly ClassEntry[]): Detections {
  const labels = new Map(classes.map(({ id }, label) => [id, label]));
  return {
    boxes: Float32Array.from(objects.flatMap(({ box }) => [...box])),
    scores: Float32Array.from(objects, ({ score }) => score),
    labels: Int32Array.from(objects, ({ categoryId }) => labels.get(categoryId)!),
  };
}

/**
 * Draws what was found and writes it as a JPEG.
 *
 * @param found image and objects
 * @param file its path
 * @param classes the class table
 * @throws DatasetError when the image cannot be drawn, CheckpointError when the file cannot be written
 */
export async function writeDrawing(
  { item, source, result }: Found,
  file: string,
  classes: readonly ClassEntry[],
): Promise<void> {
  const { height, width } = source;
  // A file is decoded anew, at its full size; what has no file gives its pixels.
  const image = item.path === undefined ? { rgb: await source.render({ height, width }) } : await readFile(item.path);
  const picture = await annotatedImage(image, {
    size: { height, width },
    found: detectionsOf(result.objects, classes),
    classNames: classes.map(({ name }) => name),
    minScore: 0,
  });
  await writeFileAtomic(file, picture);
}

/**
 * Writes the route that an image took as an SVG.
 *
 * @param found image and gates
 * @param file its path
 * @param space what the route is drawn in
 */
export async function writeRoute({ item, result }: Found, file: string, space: RouteSpace): Promise<void> {
  const { gates, madds, input } = result;
  if (!gates) throw new ConfigError("This file gives no routes. Leave --routes out.");
  const totalMadds = space.totalMadds(input);
  const caption = {
    title: item.name,
    threshold: space.threshold,
    totalMadds,
    ...(madds === undefined ? {} : { madds }),
  };
  await writeFileAtomic(file, routeSvg(space.space, gates, caption));
}

/** Gathers detections for a results file. */
export interface ResultsCollector {
  /**
   * The id of an image.
   *
   * @param item the image
   * @param position its place among the images that were looked at, from 0
   * @throws DatasetError when the annotations have no image of its name
   */
  idOf(item: DetectItem, position: number): number;
  add(imageId: number, objects: readonly DetectedObject[]): void;
  /** Writes the file. */
  write(): Promise<void>;
}

// An image is found by its path's end: file names of annotations may hold folders.
function idByName(images: { readonly ids: ArrayLike<number>; readonly fileNames: readonly string[] }) {
  const ids = new Map(images.fileNames.map((name, i) => [name.replaceAll("\\", "/"), images.ids[i]!]));
  return (path: string): number | undefined => {
    const parts = path.replaceAll("\\", "/").split("/");
    for (let k = 0; k < parts.length; k++) {
      const id = ids.get(parts.slice(k).join("/"));
      if (id !== undefined) return id;
    }
    return undefined;
  };
}

/**
 * Makes a collector for COCO's results format.
 *
 * @param file where results go; its folder must be there
 * @param annotations an instances file whose image ids are taken, by file name; without it images are numbered from 1
 * @returns the collector
 * @throws DatasetError when the annotations cannot be read
 */
export async function collectResults(file: string, annotations?: string): Promise<ResultsCollector> {
  await writableFolder(dirname(file), "The folder of --results,");
  const find =
    annotations === undefined
      ? undefined
      : idByName((await loadAnnotations(annotations, { onBadEntry: "skip" })).images);
  const all: { readonly imageId: number; readonly objects: readonly DetectedObject[] }[] = [];
  return {
    idOf(item, position) {
      if (!find) return position + 1;
      const id = find(item.path ?? item.name);
      if (id !== undefined) return id;
      throw new DatasetError(
        `${annotations} has no image of the name ${item.name}. Take the annotations of these images.`,
      );
    },
    add: (imageId, objects) => void all.push({ imageId, objects }),
    write: async () => {
      const rows = all.flatMap(({ imageId, objects }) => objects.map((object) => ({ imageId, ...object })));
      const results: CocoResults = {
        imageIds: Float64Array.from(rows, ({ imageId }) => imageId),
        categoryIds: Float64Array.from(rows, ({ categoryId }) => categoryId),
        boxes: Float64Array.from(rows.flatMap(({ box: [x1, y1, x2, y2] }) => [x1, y1, x2 - x1, y2 - y1])),
        scores: Float64Array.from(rows, ({ score }) => score),
      };
      await writeResults(file, results);
    },
  };
}
