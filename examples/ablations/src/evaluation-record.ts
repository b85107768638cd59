// evaluation.json in a run's folder: what a table needs of a finished run. It is written last, so that a run without it is not done.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { type RunFolder, writeFileAtomic } from "@caddet/trainer/node";
import { z } from "zod";

const madds = z.number().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const schema = z.strictObject({
  format: z.literal("caddet-ablation/1"),
  run: z.string(),
  seed: z.int(),
  steps: z.int().min(1),
  backend: z.string(),
  classes: z.array(z.strictObject({ id: z.int(), name: z.string() })).max(100_000),
  /** SHA-256 of the annotation files. */
  annotations: z.strictObject({ train: sha256, val: sha256 }),
  /** SHA-256 of the file with the weights that it began from; null where they were random. */
  initialWeights: sha256.nullable(),
  /** Images of val that were evaluated. */
  images: z.int().min(1),
  /** Images that could not be read, in training or in the evaluation. */
  skipped: z.int().min(0),
  /** COCO's twelve; -1 where undefined. */
  stats: z.array(z.number()).length(12),
  /** The input in pixels that MAdds are of. */
  size: z.strictObject({ height: z.int().min(1), width: z.int().min(1) }),
  /** Of open blocks and paths over the images; null for a static backbone. */
  routed: z.strictObject({ mean: madds, min: madds, max: madds, std: madds }).nullable(),
  /** What every image costs besides, in backbone and neck. */
  constant: madds,
});

/** What a finished run was. MAdds are single ones, not millions. */
export type EvaluationRecord = z.output<typeof schema>;

const fileOf = ({ path }: RunFolder) => join(path, "evaluation.json");

/** Writes a run's record, whole or not at all. */
export async function writeRecord(folder: RunFolder, record: EvaluationRecord): Promise<void> {
  await writeFileAtomic(fileOf(folder), `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Reads a run's record.
 *
 * @param folder the run's
 * @returns undefined where there is none
 * @throws CheckpointError when it cannot be read; ConfigError when it is something else
 */
export async function readRecord(folder: RunFolder): Promise<EvaluationRecord | undefined> {
  const file = fileOf(folder);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CheckpointError(`${file} cannot be read: ${(cause as Error).message}`, { file }, { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${file} is not JSON. Remove it: the run is then evaluated again.`, { file }, { cause });
  }
  return checkConfig(schema, json, file);
}
