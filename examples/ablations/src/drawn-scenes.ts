// The demo's drawn scenes as a table's data set, drawn once.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { loadDataset } from "@caddet/coco/node";
import { ConfigError } from "@caddet/core";
import { drawScenes } from "@caddet-examples/demo/src/scenes";

/** How many scenes. */
export interface SceneCounts {
  readonly train: number;
  readonly val: number;
}

/**
 * Draws the scenes, unless they are there.
 *
 * @param folder where to; the annotations of val are written last, so that a folder with them is whole
 * @param counts how many
 * @throws ConfigError when the folder holds another number of them
 */
export async function ensureScenes(folder: string, counts: SceneCounts): Promise<void> {
  const isWhole = await stat(join(folder, "annotations", "instances_val.json")).then(
    () => true,
    () => false,
  );
  if (!isWhole) {
    await drawScenes({ out: folder, seed: 0, ...counts, width: 432, height: 324 });
    return;
  }
  for (const split of ["train", "val"] as const) {
    const there = (await loadDataset(folder, split)).images.ids.length;
    if (there !== counts[split]) {
      throw new ConfigError(
        `${folder} holds ${there} scenes of ${split}, asked for were ${counts[split]}. Choose another --out, or leave --scenes as it was.`,
        { folder, split },
      );
    }
  }
}
