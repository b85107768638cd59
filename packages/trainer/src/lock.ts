// One training a folder: a file that names the process. What a dead process left behind is taken over, also when its number is another's by
// now. Linux tells when a process was started and whether it is a zombie; elsewhere its number has to do.
import { mkdir, open, readFile, rm, rmdir, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import { CheckpointError } from "@caddet/core";
import { z } from "zod";
import type { TrainHook } from "./hooks";
import { ifAbsent, isRunning, type RunFolder, RunWriteError } from "./run-folder";

const ownerSchema = z.object({
  pid: z.int().min(1),
  host: z.string(),
  /** The process' start in the system's ticks; null where it is not told. */
  started: z.string().nullable(),
  since: z.string(),
});

type Owner = z.output<typeof ownerSchema>;

/** Someone trains in the folder already. */
export class RunLockedError extends CheckpointError {}

/** A folder that is this process' to train in. */
export interface RunLock {
  /** Gives the folder back; a second call does nothing. */
  release(): Promise<void>;
}

// State and start of a process as Linux tells them (proc(5), fields 3 and 22); undefined where it does not.
async function processFacts(pid: number): Promise<{ state: string; started: string } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields.length > 19 ? { state: fields[0]!, started: fields[19]! } : undefined;
}

async function isAlive({ pid, started }: Owner): Promise<boolean> {
  if (!isRunning(pid)) return false;
  const facts = await processFacts(pid);
  if (!facts) return true;
  return facts.state !== "Z" && (started === null || facts.started === started);
}

function parseOwner(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function refusal(folder: RunFolder, { pid, host, since }: Owner): RunLockedError {
  const elsewhere = host === hostname() ? "" : ` on ${host}`;
  return new RunLockedError(
    `${folder.path} is in use: process ${pid}${elsewhere} has been training there since ${since}. Choose another folder or end that training` +
      (elsewhere ? `; if it is over, remove ${folder.lockFile}.` : "."),
    { run: folder.path, pid, host },
  );
}

async function refuseIfAlive(folder: RunFolder, owner: Owner): Promise<void> {
  // Another machine's processes cannot be seen from here.
  if (owner.host !== hostname() || (await isAlive(owner))) throw refusal(folder, owner);
}

async function tryCreate(file: string, text: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    try {
      await handle.writeFile(text);
    } catch (error) {
      await rm(file, { force: true }).catch(() => {});
      throw error;
    } finally {
      await handle.close();
    }
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new RunWriteError(file, cause);
  }
}

// What the file says. One that says nothing is being written, unless it stays like that: then a kill has cut it.
async function readLock(file: string): Promise<{ text: string; owner: Owner | undefined }> {
  let text = "";
  for (let attempt = 0; attempt < 10; attempt++) {
    text = await readFile(file, "utf8").catch(ifAbsent(""));
    const owner = parseOwner(text);
    if (owner) return { text, owner };
    await setTimeout(50);
  }
  return { text, owner: undefined };
}

/** A claim to remove is over in no time; one this old, in milliseconds, is a killed process'. */
const CLAIM_AGE = 10_000;

// Takes a dead owner's file away. Whoever makes the folder beside it is the only one who may, so that nobody removes the file that
// another has put there meanwhile.
async function removeStale({ lockFile }: RunFolder, stale: string): Promise<void> {
  const claim = `${lockFile}.removal`;
  try {
    await mkdir(claim);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw new RunWriteError(claim, cause);
    const made = (await stat(claim).catch(() => undefined))?.mtimeMs ?? Date.now();
    if (Date.now() - made > CLAIM_AGE) await rmdir(claim).catch(() => {});
    else await setTimeout(50);
    return;
  }
  try {
    const found = await readFile(lockFile, "utf8").catch(ifAbsent(undefined));
    if (found === stale) await rm(lockFile, { force: true });
  } finally {
    await rmdir(claim).catch(() => {});
  }
}

/**
 * Claims a run's folder.
 *
 * @param folder the run's folder, which is made
 * @returns the lock; release it when the run is over. It is released by itself when the process is killed
 * @throws RunLockedError when another training is there, in this process or another; RunWriteError when the folder cannot be written
 * @example const lock = await lockRunFolder(runFolder("runs/first"));
 */
export async function lockRunFolder(folder: RunFolder): Promise<RunLock> {
  const { lockFile } = folder;
  try {
    await mkdir(folder.path, { recursive: true });
  } catch (cause) {
    throw new RunWriteError(folder.path, cause);
  }
  const started = (await processFacts(process.pid))?.started ?? null;
  const owner: Owner = { pid: process.pid, host: hostname(), started, since: new Date().toISOString() };
  const text = `${JSON.stringify(owner)}\n`;
  for (let attempt = 0; attempt < 10; attempt++) {
    if (await tryCreate(lockFile, text)) {
      return {
        release: async () => {
          const found = await readFile(lockFile, "utf8").catch(() => "");
          if (found === text) await rm(lockFile, { force: true }).catch(() => {});
        },
      };
    }
    const found = await readLock(lockFile);
    if (found.owner) await refuseIfAlive(folder, found.owner);
    await removeStale(folder, found.text);
  }
  throw new RunLockedError(`${folder.path}: others claim the folder at the same time. Choose one of its own.`, {
    run: folder.path,
  });
}

/**
 * A hook that holds the run's folder while the run goes on. Put it first, so that nothing is written into another training's folder.
 *
 * @param folder the run's folder
 * @returns the hook; its `onStart` throws as {@link lockRunFolder} does
 */
export function lockHook(folder: RunFolder): TrainHook {
  let lock: RunLock | undefined;
  return {
    name: "lock",
    onStart: async () => {
      lock = await lockRunFolder(folder);
    },
    onClose: async () => {
      await lock?.release();
      lock = undefined;
    },
  };
}
