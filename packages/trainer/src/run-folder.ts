// A run's folder on disk: config.json, metrics.jsonl, events.jsonl, checkpoints/. Files are written whole or not at all: into a temporary name first,
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
  /** What is no step: evaluations, batches left out. */
  readonly eventsFile: string;
  /** Who trains here. */
  readonly lockFile: string;
  readonly checkpointFolder: string;
}

/** The paths of a run's files; nothing is touched. */
export function runFolder(path: string): RunFolder {
  return {
    path,
    configFile: join(path, "config.json"),
    metricsFile: join(path, "metrics.jsonl"),
    eventsFile: join(path, "events.jsonl"),
    lockFile: join(path, "train.lock"),
    checkpointFolder: join(path, "checkpoints"),
  };
}

// What a person can do something about, in words.
const CAUSES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full. Free some space",
  EDQUOT: "the disk quota is used up. Free some space",
  EROFS: "the file system is read-only. Choose another folder",
  EACCES: "permission is denied. Allow writing there, or choose another folder",
  EPERM: "permission is denied. Allow writing there, or choose another folder",
};

/** A file of a run cannot be written; `details.reason` is the system's code, such as "ENOSPC" for a full disk. */
export class RunWriteError extends CheckpointError {
  constructor(file: string, cause: unknown, more = "") {
    const reason = (cause as NodeJS.ErrnoException | undefined)?.code;
    const text = (reason && CAUSES[reason]) ?? (cause instanceof Error ? cause.message : String(cause));
    super(`${file} could not be written: ${text}${more}`, { file, reason }, { cause });
  }
}

/**
 * Writes a file so that a reader sees the old or the new one, never a part.
 *
 * @param file its path; the folder is made
 * @param data its bytes or text
 * @throws RunWriteError when it cannot be written; what was there before stays
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
    throw new RunWriteError(file, cause);
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
 * Removes what killed processes were writing when they ended.
 *
 * @param folder the run's folder
 */
export async function removeLeftovers({ checkpointFolder }: RunFolder): Promise<void> {
  for (const name of await readdir(checkpointFolder).catch(ifAbsent<string[]>([]))) {
    const pid = Number(/^step-\d+\.safetensors\.(\d+)\.tmp$/.exec(name)?.[1]);
    if (!Number.isSafeInteger(pid) || isRunning(pid)) continue;
    // One that stays only takes room.
    await rm(join(checkpointFolder, name), { force: true }).catch(() => {});
  }
}

/** Whether there is a process of this number. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // someone else's
  }
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
