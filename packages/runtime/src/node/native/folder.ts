// Where a native install lies: one folder a user, found from every project, a second one for that of a GPU, or the one that
// CADDET_NATIVE_FOLDER names for both. The folder is a small npm project; a file in it says what it is.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { NativePins } from "./pins";

const MARK = "caddet-native.json";

/** What a finished install says of itself. */
export interface NativeMark {
  /** Of tfjs-node. */
  readonly version: string;
  readonly libtensorflow: string;
}

/** The folder of this user's native install, whether it is there or not. */
export function nativeFolder(backend: NativePins["backend"], env: NodeJS.ProcessEnv = process.env): string {
  const { CADDET_NATIVE_FOLDER, XDG_DATA_HOME } = env;
  const name = backend === "tfjs-node" ? "native" : "native-gpu";
  return CADDET_NATIVE_FOLDER || join(XDG_DATA_HOME || join(homedir(), ".local", "share"), "caddet", name);
}

/** Where the mark of an install lies. */
export const markOf = (folder: string): string => join(folder, MARK);

/** What an install says of itself; undefined where there is none. */
export function readMark(folder: string): NativeMark | undefined {
  try {
    return JSON.parse(readFileSync(markOf(folder), "utf8")) as NativeMark;
  } catch {
    return undefined;
  }
}
