// What lies in a folder: names of files, and small text files. Nothing outside the folder is opened, whatever links say. Needs Node.
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { DatasetError } from "@caddet/core/base";

/** The real path of a folder; throws DatasetError when there is none. */
export async function realFolder(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new DatasetError(`No folder ${folder}. Check the data set's layout.`, { folder });
  return realpath(folder);
}

/**
 * Lists the files below a folder.
 *
 * @param folder a real path
 * @returns paths relative to it, with "/", in the order of their code units; links are listed but linked folders are not entered
 * @throws DatasetError when a folder cannot be read
 */
export async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [""];
  for (let prefix = folders.pop(); prefix !== undefined; prefix = folders.pop()) {
    const path = join(folder, prefix);
    const entries = await readdir(path, { withFileTypes: true }).catch((cause) => {
      throw new DatasetError(`${path}: cannot be read. Check path and rights.`, { folder: path }, { cause });
    });
    for (const entry of entries) {
      if (entry.isDirectory()) folders.push(`${prefix}${entry.name}/`);
      else files.push(prefix + entry.name);
    }
  }
  return files.sort((a, b) => (a < b ? -1 : 1));
}

/**
 * Reads a text file inside a folder.
 *
 * @param folder a real path
 * @param name path within it
 * @param maxBytes the most that is read
 * @returns its text, without a byte order mark; undefined when there is no such file
 * @throws DatasetError when it is too large, no UTF-8, cannot be read or, through a link, is elsewhere
 */
export async function readTextInside(folder: string, name: string, maxBytes: number): Promise<string | undefined> {
  const file = join(folder, name);
  const path = await realpath(file).catch(() => undefined);
  if (path === undefined) return undefined;
  if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
    throw new DatasetError(`${file}: leads out of ${folder}. Put the file itself there.`, { file });
  }
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > maxBytes) {
      throw new DatasetError(`${file}: has ${size} bytes, at most ${maxBytes} are read. Split it.`, { file });
    }
    bytes = await readFile(path);
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    throw new DatasetError(`${file}: cannot be read. Check path and rights.`, { file }, { cause });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DatasetError(`${file}: is no UTF-8 text. Save it as UTF-8.`, { file }, { cause });
  }
}
