// The images that a run trains on, and those that its pictures show.
import { filterForTraining } from "@caddet/coco";
import { type ImageDataset, loadDataset } from "@caddet/coco/node";
import { CaddetError } from "@caddet/core";

/**
 * Opens the split `train`. A single bad entry is no reason not to train: COCO's own train2017 has boxes without height.
 *
 * @param folder COCO-format folder
 * @param note gets a line about the first entry that is left out; without it nobody does
 * @returns images that have something to train on; `skipped` counts what was left out
 * @throws DatasetError when there is no image to train on
 */
export async function openTrainingSet(folder: string, note?: (text: string) => void): Promise<ImageDataset> {
  const dataset = await loadDataset(folder, "train", { onBadEntry: "skip" });
  if (note && Object.keys(dataset.skipped).length > 0) {
    // Counts say how many and why; only the strict reading says where the first one is.
    await loadDataset(folder, "train").catch((first: Error) => note(`left out: ${first.message}\n`));
  }
  return filterForTraining(dataset);
}

/**
 * What a run's pictures are taken from: the split `val` where there is one with the same classes, else what the run trains on.
 *
 * @param folder COCO-format folder
 * @param trained what {@link openTrainingSet} gave of it
 */
export async function openSamples(folder: string, trained: ImageDataset): Promise<ImageDataset> {
  try {
    const held = await loadDataset(folder, "val", { onBadEntry: "skip" });
    const [{ ids: own }, { ids }] = [held.categories, trained.categories];
    return own.length === ids.length && own.every((id, i) => id === ids[i]) ? held : trained;
  } catch (error) {
    if (!(error instanceof CaddetError)) throw error;
    return trained;
  }
}
