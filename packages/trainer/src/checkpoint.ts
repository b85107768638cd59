// Checkpoints of a training run: the detector's file with the optimiser's state and the position beside it, so that a resumed run goes
// on at the very next batch. Where a run keeps an average of its weights, that is the file's detector, and the weights lie beside it.
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, type StoredArray } from "@caddet/core";
import { type ClassEntry, readDetectorFile, serializeDetector, verifyDetectorFile } from "@caddet/detector";
import { parseTrainConfig, type TrainConfig } from "./config";
import { listCheckpoints, type RunFolder, writeFileAtomic } from "./run-folder";
import { positionSchema, type RunState, rankStateOf, runStateSchema, type TrainPosition } from "./run-state";
import type { Trainer } from "./trainer";

/** Where in a file the optimiser's state is, and the weights beside their average. */
const PREFIXES = { optimizer: "optimizer/", weights: "weights/" } as const;

type Arrays = ReadonlyMap<string, StoredArray>;

const prefixed = (prefix: string, arrays: Arrays) =>
  [...arrays].map(([name, array]) => [prefix + name, array] as const);

const withoutPrefix = (prefix: string, arrays: Arrays): Arrays =>
  new Map(
    [...arrays].flatMap(([name, array]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), array]] : [])),
  );

/** What a checkpoint's file holds. */
interface Checkpoint {
  readonly file: string;
  /** The detector's: averaged where `weights` are not empty. */
  readonly arrays: Arrays;
  readonly weights: Arrays;
  readonly optimizer: Arrays;
  readonly classes: readonly ClassEntry[];
  readonly training: TrainConfig;
  readonly position: TrainPosition;
  readonly mapping: unknown;
  readonly state: RunState;
}

async function serializeRun(trainer: Trainer, classes: readonly ClassEntry[]): Promise<Uint8Array> {
  const { detector, config, optimizer, mapping, position, state, average } = trainer;
  const metadata = {
    position: JSON.stringify(position),
    training: JSON.stringify(config),
    mapping: JSON.stringify(mapping.state?.() ?? null),
    run: JSON.stringify(state),
  };
  const momenta = prefixed(PREFIXES.optimizer, await optimizer.readState());
  return trainer.withAverage(async () => {
    const weights = average ? prefixed(PREFIXES.weights, await average.readState()) : [];
    const extra = new Map([...momenta, ...weights]);
    return serializeDetector({ detector, config: config.model, classes, metadata }, extra);
  });
}

/**
 * Writes a checkpoint of a run and removes those that are too many; the best one stays.
 *
 * @param trainer the run
 * @param folder where it lives
 * @param classes the class table
 * @returns the file
 * @throws RunWriteError when it cannot be written; earlier checkpoints stay as they are
 */
export async function saveCheckpoint(
  trainer: Trainer,
  folder: RunFolder,
  classes: readonly ClassEntry[],
): Promise<string> {
  const { config, position, state } = trainer;
  const file = checkpointFile(folder, position.step);
  await writeFileAtomic(file, await serializeRun(trainer, classes));
  const others = (await listCheckpoints(folder)).filter((other) => other.file !== file);
  for (const old of others.slice(config.checkpoint.keep - 1)) {
    if (old.step !== state.best?.step) await rm(old.file, { force: true });
  }
  return file;
}

function checkpointFile({ checkpointFolder }: RunFolder, step: number): string {
  return join(checkpointFolder, `step-${String(step).padStart(8, "0")}.safetensors`);
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
function readRunState({ training, position, mapping, run }: Readonly<Record<string, string>>, file: string) {
  if (training === undefined || position === undefined) {
    throw new CheckpointError(`${file} holds a detector, but no training run to resume.`, { file });
  }
  try {
    return {
      training: parseTrainConfig(JSON.parse(training)),
      position: positionSchema.parse(JSON.parse(position)),
      mapping: JSON.parse(mapping ?? "null") as unknown,
      state: runStateSchema.parse(JSON.parse(run ?? "{}")),
    };
  } catch (cause) {
    throw new CheckpointError(
      `${file}: the state of its training run cannot be read. Resume from an older checkpoint.`,
      { file },
      { cause },
    );
  }
}

async function readCheckpoint(file: string): Promise<Checkpoint> {
  const bytes = await readFile(file).catch((cause: Error) => {
    throw new CheckpointError(`${file} could not be read: ${cause.message}`, { file }, { cause });
  });
  const { arrays, classes, metadata, extra } = readDetectorFile(bytes, file);
  await verifyDetectorFile(bytes, file);
  return {
    file,
    arrays,
    weights: withoutPrefix(PREFIXES.weights, extra),
    optimizer: withoutPrefix(PREFIXES.optimizer, extra),
    classes,
    ...readRunState(metadata, file),
  };
}

/** Settings that may change between two parts of a run. */
const MAY_CHANGE = [
  "schedule.epochs",
  "schedule.maxSteps",
  "checkpoint.everyEpochs",
  "checkpoint.everySteps",
  "checkpoint.keep",
  "checkpoint.best",
  "checkpoint.bestIs",
  "data.prefetch",
  "memory.checkpoint",
  "onNonFinite",
  "maxNonFinite",
  "leakSteps",
];

// Puts everything back, or nothing.
function restore(
  { detector, optimizer, mapping, average }: Trainer,
  { arrays, weights, optimizer: momenta, mapping: losses }: Checkpoint,
): void {
  const live = average ? weights : arrays;
  detector.checkStateDict(live);
  average?.checkState(arrays);
  const before = mapping.state?.();
  mapping.restore?.(losses);
  try {
    optimizer.loadState(momenta);
  } catch (error) {
    mapping.restore?.(before);
    throw error;
  }
  detector.loadStateDict(live);
  average?.loadState(arrays);
}

function resume(trainer: Trainer, checkpoint: Checkpoint, classes: readonly ClassEntry[]): void {
  const { file, training, position, state } = checkpoint;
  const changed = differences(training, trainer.config).filter((key) => !MAY_CHANGE.includes(key));
  if (changed.length > 0) {
    throw new CheckpointError(
      `${file} belongs to another configuration; these settings differ: ${changed.join(", ")}. Resume with the run's own, or start a new run.`,
      { file, changed },
    );
  }
  if (JSON.stringify(checkpoint.classes) !== JSON.stringify(classes)) {
    throw new CheckpointError(`${file} was trained on other classes than this data set has.`, { file });
  }
  const { ranks } = trainer.state;
  if (state.ranks !== ranks) {
    throw new CheckpointError(
      `${file} is of a run with ${state.ranks} replicas, this one has ${ranks}: its steps would be others. Resume with as many.`,
      { file, ranks: state.ranks },
    );
  }
  const own = rankStateOf(state, checkpoint.mapping, trainer.rank);
  restore(trainer, { ...checkpoint, mapping: own.mapping });
  // What was the best by another metric is no measure.
  const { best, bestIs } = training.checkpoint;
  const isSame = best === trainer.config.checkpoint.best && bestIs === trainer.config.checkpoint.bestIs;
  trainer.resumeAt(position, { ...state, random: own.random, ...(isSame ? {} : { best: null }) });
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
  resume(trainer, await readCheckpoint(file), classes);
}

// The newest checkpoint that is whole.
async function newestWhole(folder: RunFolder, onBroken: (error: Error) => void): Promise<Checkpoint> {
  let first: unknown;
  for (const { file } of await listCheckpoints(folder)) {
    try {
      return await readCheckpoint(file);
    } catch (error) {
      first ??= error;
      if (error instanceof Error) onBroken(error);
    }
  }
  if (first) throw first;
  throw new CheckpointError(
    `${folder.path} has no checkpoint (looked for ${join(folder.checkpointFolder, "step-*.safetensors")}). Train there first.`,
    { run: folder.path },
  );
}

/**
 * Puts a run back to its newest checkpoint that is whole.
 *
 * @param trainer a fresh run of the same configuration
 * @param folder the run's folder
 * @param classes the data set's class table
 * @param onBroken gets the error of each newer one that was cut or changed and is passed over
 * @returns the checkpoint's file
 * @throws CheckpointError when none is whole, or it is of another configuration or class table; nothing is changed then
 * @example const file = await resumeNewest(trainer, folder, classes, ({ message }) => warn(message));
 */
export async function resumeNewest(
  trainer: Trainer,
  folder: RunFolder,
  classes: readonly ClassEntry[],
  onBroken: (error: Error) => void = () => {},
): Promise<string> {
  const checkpoint = await newestWhole(folder, onBroken);
  resume(trainer, checkpoint, classes);
  return checkpoint.file;
}

/**
 * The best checkpoint of a run, by the metric of `checkpoint.best`.
 *
 * @param folder the run's folder
 * @returns its file, step and value; undefined where nothing was evaluated
 * @throws CheckpointError when the folder has no checkpoint that is whole
 */
export async function bestCheckpoint(
  folder: RunFolder,
): Promise<{ readonly file: string; readonly step: number; readonly value: number } | undefined> {
  const { best } = (await newestWhole(folder, () => {})).state;
  return best ? { ...best, file: checkpointFile(folder, best.step) } : undefined;
}
