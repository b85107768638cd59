// Writes a data set as an instances file. Needs Node.

import { writeText } from "../json/text-file";
import type { CocoDataset } from "./dataset";
import { formatInstances } from "./instances-file";

/**
 * Writes an instances file.
 *
 * @param file its path, e.g. "annotations/instances_train.json"
 * @param dataset any data set, e.g. from {@link readYoloFolder}
 * @throws DatasetError when the file cannot be written; an older file is then left as it was
 * @example await writeInstances("instances_train.json", await readVocFolder("VOC2007"))
 */
export async function writeInstances(file: string, dataset: CocoDataset): Promise<void> {
  await writeText(file, formatInstances(dataset));
}
