// Finds and reads a COCO data set on disk: its own layout (annotations/instances_train.json, train/) and the official one
// (annotations/instances_train2017.json, train2017/). Needs Node.
import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core/base";
import { type FileSource, openFileSource } from "../json/file-source";
import type { CocoResults } from "../results/results";
import { readResultsPart } from "../results/results-bytes";
import { checkInstances, type ParseAnnotationsOptions } from "./annotations";
import type { CocoDataset } from "./dataset";
import { readInstances } from "./instances-bytes";

/** A data set whose images are in a folder. */
export interface ImageDataset extends CocoDataset {
  /** Real path of the folder that the file names start from. */
  readonly imageFolder: string;
}

/** How annotations are read. */
export type LoadAnnotationsOptions = Omit<ParseAnnotationsOptions, "file">;

function withSource<T>(file: string, read: (source: FileSource) => T): T {
  const source = openFileSource(file);
  try {
    return read(source);
  } finally {
    source.close();
  }
}

/**
 * Reads an instances file of any size, piece by piece; the calling thread does nothing else meanwhile.
 *
 * @param file its path
 * @param options what a bad entry does, default "error"; whether polygons are read, default false
 * @returns images, annotations and categories as columns
 * @throws DatasetError when it cannot be read or, by policy, at the first wrong entry
 * @example await loadAnnotations("instances_val2017.json", { onBadEntry: "keep" })
 */
export async function loadAnnotations(file: string, options: LoadAnnotationsOptions = {}): Promise<CocoDataset> {
  const { segmentation = false } = options;
  const raw = withSource(file, (source) => readInstances(source, { file, segmentation }));
  return checkInstances(raw, { ...options, file });
}

/**
 * Reads a results file of any size, piece by piece; the calling thread does nothing else meanwhile.
 *
 * @param file its path
 * @returns the detections in the file's order
 * @throws DatasetError when it cannot be read or an entry is wrong
 * @example await loadResults("results.json")
 */
export async function loadResults(file: string): Promise<CocoResults> {
  return withSource(file, (source) => readResultsPart(source, { file })).results;
}

async function firstExisting(paths: readonly string[], kind: "file" | "folder"): Promise<string> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (kind === "file" ? found?.isFile() : found?.isDirectory()) return path;
  }
  throw new DatasetError(`No ${kind} ${paths.join(" or ")}. Check the data set's folder and split.`, { paths });
}

/**
 * Reads the annotations of one split and finds its images.
 *
 * @param folder the data set: `annotations/instances_SPLIT.json` and `SPLIT/`, or the same with `SPLIT2017`
 * @param split e.g. "train" or "val"
 * @param options what a bad entry does, default "error"
 * @returns the data set with its images' folder; no image is opened
 * @throws DatasetError that names what was looked for, or what is wrong in the file
 * @example await loadDataset("data/coco", "val", { onBadEntry: "keep" })
 */
export async function loadDataset(
  folder: string,
  split: string,
  options: LoadAnnotationsOptions = {},
): Promise<ImageDataset> {
  if (!/^[\w-]+$/.test(split)) {
    throw new DatasetError(`A split is named by letters, digits, "_" and "-", got ${JSON.stringify(split)}.`, {
      split,
    });
  }
  const names = [split, `${split}2017`];
  const file = await firstExisting(
    names.map((name) => join(folder, "annotations", `instances_${name}.json`)),
    "file",
  );
  const images = await firstExisting(
    names.map((name) => join(folder, name)),
    "folder",
  );
  const dataset = await loadAnnotations(file, options);
  return { ...dataset, imageFolder: await realpath(images) };
}
