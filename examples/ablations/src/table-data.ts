// What all runs of a table begin with: a data set of two splits and its classes, initial weights, and the hashes by which another run can be
// told to have begun with the same.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { filterForTraining } from "@caddet/coco";
import { type ImageDataset, loadDataset } from "@caddet/coco/node";
import { CheckpointError, DatasetError } from "@caddet/core";
import type { ClassEntry } from "@caddet/detector";
import { type RunFolder, writeFileAtomic } from "@caddet/trainer/node";

/** What a run's numbers can only be compared on. */
export interface DataIdentity {
  readonly classes: readonly ClassEntry[];
  /** SHA-256 of the annotation files. */
  readonly annotations: { readonly train: string; readonly val: string };
  /** SHA-256 of the file with the weights that runs begin from; null where they are random. */
  readonly initialWeights: string | null;
}

/** An opened data set. */
export interface TableData extends DataIdentity {
  /** What training leaves out is left out. */
  readonly train: ImageDataset;
  readonly val: ImageDataset;
  /** The file behind `initialWeights`. */
  readonly init: string | null;
}

async function fileHash(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash).catch((cause: Error) => {
    throw new DatasetError(`${file} cannot be read: ${cause.message}`, { file }, { cause });
  });
  return hash.digest("hex");
}

const classesOf = ({ categories: { ids, names } }: ImageDataset): ClassEntry[] =>
  names.map((name, i) => ({ id: ids[i]!, name }));

/**
 * Opens a COCO-format folder and initial weights.
 *
 * @param folder `annotations/instances_{train,val}.json`, `train/`, `val/`, or the official names
 * @param init a .safetensors file with weights to begin from; what fits is taken. Default none
 * @returns its splits and what identifies them
 * @throws DatasetError when a split or the weights are missing, or the two have different classes
 */
export async function openTableData(folder: string, init: string | null = null): Promise<TableData> {
  const train = await loadDataset(folder, "train", { onBadEntry: "skip" });
  const val = await loadDataset(folder, "val", { onBadEntry: "keep" });
  const classes = classesOf(train);
  if (JSON.stringify(classes) !== JSON.stringify(classesOf(val))) {
    throw new DatasetError(
      `${folder}: train has ${classes.length} classes, val has ${val.categories.ids.length} others. Give both the same class table.`,
      { folder },
    );
  }
  const annotations = { train: await fileHash(train.file), val: await fileHash(val.file) };
  const initialWeights = init === null ? null : await fileHash(init);
  return { train: filterForTraining(train), val, classes, annotations, init, initialWeights };
}

/**
 * Notes in a run's folder which data set it is trained on, from which weights, so that it does not go on with another: checkpoints know the
 * classes alone.
 *
 * @param folder the run's
 * @param identity of the data set at hand
 * @param isBegun whether there is something to go on from
 * @throws CheckpointError when the run was begun on another data set
 */
export async function noteData({ path }: RunFolder, identity: DataIdentity, isBegun: boolean): Promise<void> {
  const file = join(path, "data.json");
  const { classes, annotations, initialWeights } = identity;
  const text = `${JSON.stringify({ classes, annotations, initialWeights }, null, 2)}\n`;
  if (!isBegun) {
    await writeFileAtomic(file, text);
    return;
  }
  // Without the file nothing is known, and classes are checked anyway.
  if ((await readFile(file, "utf8").catch(() => text)) === text) return;
  throw new CheckpointError(
    `${path} was begun on another data set, or from other weights (${file} differs). Give those in --data and --init, or choose another --out.`,
    { run: path },
  );
}
