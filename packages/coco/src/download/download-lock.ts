// Keeps two processes from writing to the same part file: a file that names the process at work. One that a dead process left is
// taken over; processes on other machines are not seen.
import { readFile, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { DownloadError, onDisk, systemCode } from "./download-error";

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM"; // another user's
  }
}

// What this process holds. Process numbers come again, in containers mostly the same ones: a file with this very number that is not
// in here is a dead process's.
const held = new Set<string>();

async function isHeld(file: string): Promise<boolean> {
  const pid = Number(await readFile(file, "utf8").catch(() => ""));
  if (pid === process.pid) return held.has(resolve(file));
  return Number.isSafeInteger(pid) && pid > 0 && isRunning(pid);
}

/**
 * Does something that no other process does at the same time.
 *
 * @param file made for the time of the work
 * @param work is not started where another process has the file
 * @throws DownloadError "in-use"
 */
export async function whileLocked<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  const take = () => writeFile(file, String(process.pid), { flag: "wx" });
  try {
    await onDisk(file, () =>
      take().catch(async (error) => {
        if (systemCode(error) !== "EEXIST" || (await isHeld(file))) throw error;
        await rm(file, { force: true });
        await take();
      }),
    );
  } catch (cause) {
    if (!(cause instanceof DownloadError) || cause.details.code !== "EEXIST") throw cause;
    const message = `${file}: another download is at work in this folder. Wait for it, or delete this file if there is none.`;
    throw new DownloadError("in-use", message, { file }, { cause });
  }
  held.add(resolve(file));
  try {
    return await work();
  } finally {
    held.delete(resolve(file));
    await rm(file, { force: true });
  }
}
