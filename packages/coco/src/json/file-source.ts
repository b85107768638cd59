// A file as a source of bytes, read when they are asked for. Synchronous: a JSON reader asks in the middle of a number.
// Needs Node.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DatasetError } from "@caddet/core/base";
import type { ByteSource } from "./byte-source";

/** A source that holds a file open. */
export interface FileSource extends ByteSource {
  close(): void;
}

function readError(file: string, cause: unknown): DatasetError {
  return new DatasetError(`${file}: cannot be read. Check path and rights.`, { file }, { cause });
}

/**
 * Opens a file for reading.
 *
 * @param file its path; a pipe will do where `start` is 0
 * @param start offset of the first byte, default 0
 * @returns a source, to be closed by the caller
 * @throws DatasetError when it cannot be opened; `read` throws one when it cannot be read
 * @example const source = openFileSource("results.json")
 */
export function openFileSource(file: string, start = 0): FileSource {
  let position = start;
  let handle: number;
  let size: number;
  try {
    handle = openSync(file, "r");
    size = fstatSync(handle).size;
  } catch (cause) {
    throw readError(file, cause);
  }
  return {
    ...(size > start && { size: size - start }),
    read(into) {
      try {
        // A pipe has no positions.
        const count = readSync(handle, into, 0, into.length, start === 0 ? null : position);
        position += count;
        return count;
      } catch (cause) {
        throw readError(file, cause);
      }
    },
    close: () => closeSync(handle),
  };
}
