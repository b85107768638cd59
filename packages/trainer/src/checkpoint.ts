// Checkpoints of a training run: the detector's file with the optimiser's state and the position beside it, so that a resumed run goes
// on at the very next batch.
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, type StoredArray } from "@caddet/core";
import { type ClassEntry, readDetectorFile, serializeDetector } from "@caddet/detector";
import { z } from "zod";
import { parseTrainConfig } from "./config";
import type { TrainHook } from "./hooks";
import { listCheckpoints, type RunFolder, writeFileAtomic } from "./run-folder";
import type { Trainer } from "./trainer";

const MOMENTUM = "optimizer/";

const positionSchema = z.strictObject({
  step: z.int().min(0),
  epoch: z.int().min(0),
  batch: z.int().min(0),
});

/**
 * Writes a checkpoint of a run and removes those that are too many.
 *
 * @param trainer the run
 * @param folder where it lives
 * @param classes the class table
 * @returns the file
 * @throws CheckpointError when it cannot be written; earlier checkpoints stay as they are
 */
export async function saveCheckpoint(
  trainer: Trainer,
  folder: RunFolder,
  classes: readonly ClassEntry[],
): Promise<string> {
  const { detector, config, optimizer, mapping, position } = trainer;
  const momenta = [...(await optimizer.readState())].map(([name, array]) => [MOMENTUM + name, array] as const);
  const metadata = {
    position: JSON.stringify(position),
    training: JSON.stringify(config),
    mapping: JSON.stringify(mapping.state?.() ?? null),
  };
  const bytes = await serializeDetector({ detector, config: config.model, classes, metadata }, new Map(momenta));
  const file = join(folder.checkpointFolder, `step-${String(position.step).padStart(8, "0")}.safetensors`);
  await writeFileAtomic(file, bytes);
  const others = (await listCheckpoints(folder)).filter((other) => other.file !== file);
  for (const old of others.slice(config.checkpoint.keep - 1)) await rm(old.file, { force: true });
  return file;
}

// The dotted paths at which two configurations differ.
function differences(a: unknown, b: unknown, at = ""): string[] {
  const isObject = (v: unknown): v is Record<string, unknown> =>
    typeof v === "object" && v !== null && !Array.isArray(v);
  if (isObject(a) && isObject(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((key) => differences(a[key], b[key], at ? `${at}.${key}` : key));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [at];
}

// What of a run is in the file's metadata.
function readRunState({ training, position, mapping }: Readonly<Record<string, string>>, file: string) {
  if (training === undefined || position === undefined) {
    throw new CheckpointError(`${file} holds a detector, but no training run to resume.`, { file });
  }
  try {
    return {
      training: JSON.parse(training) as unknown,
      position: positionSchema.parse(JSON.parse(position)),
      mapping: JSON.parse(mapping ?? "null") as unknown,
    };
  } catch (cause) {
    throw new CheckpointError(
      `${file}: the state of its training run cannot be read. Resume from an older checkpoint.`,
      { file },
      { cause },
    );
  }
}

/** Settings that may change between two parts of a run. */
const MAY_CHANGE = [
  "schedule.epochs",
  "schedule.maxSteps",
  "checkpoint.everyEpochs",
  "checkpoint.keep",
  "data.prefetch",
];

// Puts everything back, or nothing.
function restore(
  { detector, optimizer, mapping }: Trainer,
  arrays: ReadonlyMap<string, StoredArray>,
  momenta: ReadonlyMap<string, StoredArray>,
  losses: unknown,
): void {
  detector.checkStateDict(arrays);
  const before = mapping.state?.();
  mapping.restore?.(losses);
  try {
    optimizer.loadState(momenta);
  } catch (error) {
    mapping.restore?.(before);
    throw error;
  }
  detector.loadStateDict(arrays);
}

/**
 * Puts a run back to where a checkpoint was written.
 *
 * @param trainer a fresh run of the same configuration
 * @param file the checkpoint
 * @param classes the data set's class table
 * @throws CheckpointError when the file is broken, or of another configuration or class table; nothing is changed then
 */
export async function resumeFrom(trainer: Trainer, file: string, classes: readonly ClassEntry[]): Promise<void> {
  const bytes = await readFile(file).catch((cause: Error) => {
    throw new CheckpointError(`${file} could not be read: ${cause.message}`, { file }, { cause });
  });
  const { arrays, classes: stored, metadata, extra } = readDetectorFile(bytes, file);
  const { training, position, mapping } = readRunState(metadata, file);
  const changed = differences(parseTrainConfig(training), trainer.config).filter((key) => !MAY_CHANGE.includes(key));
  if (changed.length > 0) {
    throw new CheckpointError(
      `${file} belongs to another configuration; these settings differ: ${changed.join(", ")}. Resume with the run's own, or start a new run.`,
      { file, changed },
    );
  }
  if (JSON.stringify(stored) !== JSON.stringify(classes)) {
    throw new CheckpointError(`${file} was trained on other classes than this data set has.`, { file });
  }
  const momenta = [...extra].map(([name, array]) => [name.slice(MOMENTUM.length), array] as const);
  restore(trainer, arrays, new Map(momenta), mapping);
  trainer.resumeAt(position);
}

/**
 * A hook that writes checkpoints every so many epochs and at the end.
 *
 * @param folder the run's folder
 * @param classes the class table
 * @returns the hook
 */
export function checkpointHook(folder: RunFolder, classes: readonly ClassEntry[]): TrainHook {
  let saved = -1;
  const save = async (trainer: Trainer) => {
    if (saved === trainer.position.step) return;
    await saveCheckpoint(trainer, folder, classes);
    saved = trainer.position.step;
  };
  return {
    name: "checkpoint",
    onEpoch: async (epoch, trainer) => {
      if ((epoch + 1) % trainer.config.checkpoint.everyEpochs === 0) await save(trainer);
    },
    onEnd: save,
  };
}
