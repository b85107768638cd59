// Reads a data set in YOLO's layout (Ultralytics): images/ and labels/ with the same file names, label files ending in .txt. Image sizes
// come from the images' headers. Needs Node.

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { DatasetError } from "@caddet/core/base";
import { mapConcurrently } from "../check/concurrent";
import { listFiles, readTextInside, realFolder } from "../check/folder-files";
import type { ImageDataset } from "../dataset/files";
import { readImageInside, readSize } from "../images/image-file";
import { formatOfName } from "../images/image-format";
import { readClassNames } from "./class-names";
import { convertedDataset } from "./converted-dataset";
import { labelFileOf, parseYoloLabels } from "./yolo-labels";

/** Options of {@link readYoloFolder}. */
export interface ReadYoloOptions {
  /** The name of each class; default: `names` of data.yaml, or the lines of classes.txt. */
  readonly names?: readonly string[];
  /** A folder below images/ and labels/, e.g. "train". Default: all of them. */
  readonly split?: string;
}

const MAX_LABEL_BYTES = 10_000_000;

/**
 * Reads a YOLO data set.
 *
 * An image without a label file has no objects. Label files without an image are refused, as are boxes outside the image by more than
 * rounding. Class `k` becomes category `k + 1`. An image's id is the number that its file is named by, if all are, else its place from 1.
 *
 * @param folder the data set: `images/**` and `labels/**.txt`, lines `class cx cy w h` as fractions of the image
 * @param options class names, and one split (default all)
 * @returns boxes in pixels, cut at the image's border; file names relative to `images/` or `images/SPLIT/`
 * @throws DatasetError with file and line at the first wrong label; ImageFileError when an image has no readable size. Links out of
 *   the folder are refused
 * @example await writeInstances("instances_train.json", await readYoloFolder("data/helmets", { split: "train" }))
 */
export async function readYoloFolder(
  folder: string,
  { names, split = "" }: ReadYoloOptions = {},
): Promise<ImageDataset> {
  if (split !== "" && !/^[\w-]+$/.test(split)) {
    throw new DatasetError(`A split is named by letters, digits, "_" and "-", got ${JSON.stringify(split)}.`, {
      split,
    });
  }
  const root = await realFolder(folder);
  const imageFolder = await realFolder(join(root, "images", split));
  const labelFolder = await realFolder(join(root, "labels", split));
  const classNames = names ?? (await readClassNames(root));
  const files = (await listFiles(imageFolder)).filter((file) => formatOfName(file) !== undefined);
  await refuseStrayLabels(labelFolder, files);
  const images = await mapConcurrently(files, availableParallelism(), async (fileName) => {
    const size = await readSize(await readImageInside(imageFolder, fileName), join(imageFolder, fileName));
    const name = labelFileOf(fileName);
    const text = (await readTextInside(labelFolder, name, MAX_LABEL_BYTES)) ?? "";
    const options = { file: join(labelFolder, name), size, classes: classNames.length };
    return { fileName, ...size, objects: parseYoloLabels(text, options) };
  });
  return { ...convertedDataset(root, images, classNames), imageFolder };
}

async function refuseStrayLabels(labelFolder: string, images: readonly string[]): Promise<void> {
  const imageOf = new Map<string, string>();
  for (const image of images) {
    const file = labelFileOf(image);
    const other = imageOf.get(file);
    if (other !== undefined) {
      throw new DatasetError(`${image} and ${other} share the label file ${file}. Rename one of them.`, { file });
    }
    imageOf.set(file, image);
  }
  for (const file of await listFiles(labelFolder)) {
    if (!file.endsWith(".txt") || file === "classes.txt" || imageOf.has(file)) continue;
    throw new DatasetError(
      `${join(labelFolder, file)}: no image in images/ belongs to it. Add it or remove the file.`,
      {
        file,
      },
    );
  }
}
