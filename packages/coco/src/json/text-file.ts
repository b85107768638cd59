// Writes a text file piece by piece, beside its place first and then by a rename, so that a stopped run leaves no half file. Needs Node.
import { rename, rm, writeFile } from "node:fs/promises";
import { DatasetError } from "@caddet/core/base";

/**
 * Writes a file.
 *
 * @param file its path; its folder must exist
 * @param pieces the text, in order
 * @throws DatasetError when the file cannot be written; what the pieces throw passes through. The file is then as it was before
 */
export async function writeText(file: string, pieces: Iterable<string | Uint8Array>): Promise<void> {
  const part = `${file}.${process.pid}.part`;
  try {
    await writeFile(part, pieces);
    await rename(part, file);
  } catch (cause) {
    await rm(part, { force: true });
    if (cause instanceof Error && "syscall" in cause) {
      throw new DatasetError(
        `${file}: cannot be written (${cause.message}). Check path and rights.`,
        { file },
        { cause },
      );
    }
    throw cause;
  }
}
