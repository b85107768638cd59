// Finds and reads a COCO data set on disk: its own layout (annotations/instances_train.json, train/) and the official one
// (annotations/instances_train2017.json, train2017/). Needs Node.
import { readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core/base";
import { type ParseAnnotationsOptions, parseAnnotations } from "./annotations";
import type { CocoDataset } from "./dataset";
import { type CocoResults, parseResults } from "./results";

/** A data set whose images are in a folder. */
export interface ImageDataset extends CocoDataset {
  /** Real path of the folder that the file names start from. */
  readonly imageFolder: string;
}

// V8 holds no longer string; COCO's train2017 has 470 MB.
const MAX_JSON_BYTES = 530_000_000;

/**
 * Reads a JSON file.
 *
 * @param file its path
 * @returns the parsed value
 * @throws DatasetError when it is missing, too large or no JSON
 * @example parseResults(await readJson("results.json"), { file: "results.json" })
 */
export async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_JSON_BYTES) {
      throw new DatasetError(`${file}: has ${size} bytes, at most ${MAX_JSON_BYTES} are read. Split it.`, { file });
    }
    text = await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    throw new DatasetError(`${file}: cannot be read. Check path and rights.`, { file }, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DatasetError(`${file}: is not JSON (${why}). Get the file again.`, { file }, { cause });
  }
}

/**
 * Reads an instances file.
 *
 * @param file its path
 * @param options what a bad entry does, default "error"
 * @returns images, annotations and categories as columns
 * @throws DatasetError when it cannot be read or, by policy, at the first wrong entry
 * @example await loadAnnotations("instances_val2017.json", { onBadEntry: "keep" })
 */
export async function loadAnnotations(
  file: string,
  options: Pick<ParseAnnotationsOptions, "onBadEntry"> = {},
): Promise<CocoDataset> {
  return parseAnnotations(await readJson(file), { file, ...options });
}

/**
 * Reads a results file.
 *
 * @param file its path
 * @returns the detections in the file's order
 * @throws DatasetError when it cannot be read or an entry is wrong
 * @example await loadResults("results.json")
 */
export async function loadResults(file: string): Promise<CocoResults> {
  return parseResults(await readJson(file), { file });
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
  options: Pick<ParseAnnotationsOptions, "onBadEntry"> = {},
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
