// Which splits a COCO folder has and where their annotations are: its own names (instances_train.json) or the official ones
// (instances_train2017.json). Needs Node.
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core/base";

/**
 * Lists the splits of a data set.
 *
 * @param folder the data set
 * @returns the SPLIT of each `annotations/instances_SPLIT.json`, sorted
 * @throws DatasetError when there is none
 * @example await findSplits("data/coco") // ["train2017", "val2017"]
 */
export async function findSplits(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, "annotations")).catch(() => []);
  const splits = names.flatMap((name) => /^instances_([\w-]+)\.json$/.exec(name)?.[1] ?? []).sort();
  if (splits.length > 0) return splits;
  throw new DatasetError(`${folder}: has no annotations/instances_SPLIT.json. Check the folder.`, { folder });
}

async function firstOf(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists) return path;
  }
  return paths[0]!;
}

/** Where a split's files are, or would have to be. */
export interface SplitPaths {
  readonly annotations: string;
  /** The images' folder. */
  readonly images: string;
}

/**
 * Finds the files of a split.
 *
 * @param folder the data set
 * @param split e.g. "train"; its files may be named by "train2017"
 * @returns paths that exist, or else the first that was looked for
 * @throws DatasetError when the split's name could lead out of the folder
 * @example (await splitPaths("data/coco", "val")).annotations // "data/coco/annotations/instances_val2017.json"
 */
export async function splitPaths(folder: string, split: string): Promise<SplitPaths> {
  if (!/^[\w-]+$/.test(split)) {
    const message = `A split is named by letters, digits, "_" and "-", got ${JSON.stringify(split)}.`;
    throw new DatasetError(message, { split });
  }
  const names = [split, `${split}2017`];
  return {
    annotations: await firstOf(names.map((name) => join(folder, "annotations", `instances_${name}.json`))),
    images: await firstOf(names.map((name) => join(folder, name))),
  };
}
