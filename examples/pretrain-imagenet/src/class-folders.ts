// A data set as folders: one a class, its images inside, as ImageNet is usually laid out.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core";

/** Images and what they show. */
export interface LabelledFiles {
  readonly files: readonly string[];
  /** `[files.length]`: index into `classes`. */
  readonly labels: Int32Array;
  /** Folder names, sorted. */
  readonly classes: readonly string[];
}

const IMAGE = /\.(jpe?g|png|webp)$/i;

/**
 * Lists the images of a split.
 *
 * @param folder has one folder a class
 * @param classes what the classes must be; default: whatever is there
 * @returns files in a fixed order, with their classes
 * @throws DatasetError when it cannot be read, has no image, or has a class that is not among `classes`
 */
export async function readClassFolders(folder: string, classes?: readonly string[]): Promise<LabelledFiles> {
  const fail = (why: string, cause?: unknown) =>
    new DatasetError(`${folder}: ${why}. It should hold a folder a class, with images inside.`, { folder }, { cause });
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw fail("cannot be read", cause);
  });
  const found = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
  const names = classes ?? found;
  const unknown = found.find((name) => !names.includes(name));
  if (unknown !== undefined) throw fail(`class "${unknown}" is not one of the ${names.length} trained ones`);
  const files: string[] = [];
  const labels: number[] = [];
  for (const name of found) {
    const images = (await readdir(join(folder, name))).filter((file) => IMAGE.test(file)).sort();
    for (const image of images) {
      files.push(join(folder, name, image));
      labels.push(names.indexOf(name));
    }
  }
  if (files.length === 0) throw fail("has no image");
  return { files, labels: Int32Array.from(labels), classes: names };
}
