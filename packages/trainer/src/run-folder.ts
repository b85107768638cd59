// A run's folder on disk: config.json, metrics.jsonl, checkpoints/. Files are written whole or not at all: into a temporary name first,
// then renamed.
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CheckpointError, ConfigError } from "@caddet/core";
import { parseTrainConfig, type TrainConfig } from "./config";

/** The files of a run. */
export interface RunFolder {
  readonly path: string;
  readonly configFile: string;
  readonly metricsFile: string;
  readonly checkpointFolder: string;
}

/** The paths of a run's files; nothing is touched. */
export function runFolder(path: string): RunFolder {
  return {
    path,
    configFile: join(path, "config.json"),
    metricsFile: join(path, "metrics.jsonl"),
    checkpointFolder: join(path, "checkpoints"),
  };
}

/**
 * Writes a file so that a reader sees the old or the new one, never a part.
 *
 * @param file its path; the folder is made
 * @param data its bytes or text
 * @throws CheckpointError when it cannot be written; what was there before stays
 */
export async function writeFileAtomic(file: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {}); // what could not be written may be no file at all
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError(`${file} could not be written: ${reason}`, { file }, { cause });
  }
}

/** What stands for a file or folder that is not there; any other failure is thrown on. For `.catch`. */
export function ifAbsent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return value;
    throw new CheckpointError(
      `${error.path ?? "A file of the run"} cannot be read: ${error.message}`,
      {},
      { cause: error },
    );
  };
}

/**
 * The checkpoints of a run, newest first.
 *
 * @param folder the run's folder
 * @returns step and file of each; none where the folder is not there
 * @throws CheckpointError when the folder cannot be read
 */
export async function listCheckpoints(folder: RunFolder): Promise<{ readonly step: number; readonly file: string }[]> {
  const names = await readdir(folder.checkpointFolder).catch(ifAbsent<string[]>([]));
  return names
    .flatMap((name) => {
      const step = /^step-(\d+)\.safetensors$/.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), file: join(folder.checkpointFolder, name) }];
    })
    .sort((a, b) => b.step - a.step);
}

/**
 * The newest checkpoint of a run.
 *
 * @throws CheckpointError when there is none
 */
export async function latestCheckpoint(folder: RunFolder): Promise<string> {
  const [newest] = await listCheckpoints(folder);
  if (!newest) {
    throw new CheckpointError(
      `${folder.path} has no checkpoint (looked for ${join(folder.checkpointFolder, "step-*.safetensors")}). Train there first.`,
      { run: folder.path },
    );
  }
  return newest.file;
}

/**
 * The configuration that a run was made with.
 *
 * @throws ConfigError when the folder has none, or it is not valid
 */
export async function readRunConfig(folder: RunFolder): Promise<TrainConfig> {
  let text: string;
  try {
    text = await readFile(folder.configFile, "utf8");
  } catch (cause) {
    throw new ConfigError(
      `${folder.path} is no run: ${folder.configFile} is not there.`,
      { run: folder.path },
      { cause },
    );
  }
  try {
    return parseTrainConfig(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`${folder.configFile} is not JSON.`, { run: folder.path }, { cause });
  }
}
