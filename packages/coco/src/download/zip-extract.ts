// Unpacks a zip file into a new folder, one file after the other as streams, with sizes and CRC-32 checked. Which entries are
// accepted is decided in zip-entries.ts; free space and the folder's fate are the caller's.
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ZipFile } from "yauzl";
import { crc32 } from "./crc32";
import { DownloadError, onDisk, systemCode, throwIfStopped } from "./download-error";
import { listEntries, type ZipItem, type ZipLimits } from "./zip-entries";

/** A file that was or will be unpacked. */
export interface ZipMember {
  /** Relative, with "/". */
  readonly path: string;
  readonly bytes: number;
  readonly crc32: number;
}

/** A zip file whose entries have been accepted. */
export interface OpenZip {
  readonly members: readonly ZipMember[];
  /** Of all members, unpacked. */
  readonly bytes: number;
  /**
   * Unpacks everything.
   *
   * @param folder exists and is empty
   * @param options signal, and progress in unpacked bytes
   */
  extract(
    folder: string,
    options: { readonly signal: AbortSignal; readonly onProgress: (bytes: number) => void },
  ): Promise<void>;
  close(): void;
}

function brokenError(file: string, cause: unknown): DownloadError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `${file}: is no zip file that can be read (${why}). Delete it and get it again.`;
  return new DownloadError("broken-archive", message, { file }, { cause });
}

// yauzl refuses unsafe names itself, with plain errors that start so.
const isNameError = (cause: unknown) =>
  cause instanceof Error && /^(absolute path|invalid relative path|invalid characters in fileName)/.test(cause.message);

async function extractFile(zip: ZipFile, file: string, { path, entry }: ZipItem, to: string, signal: AbortSignal) {
  let crc = 0;
  async function* checked(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      crc = crc32(chunk, crc);
      yield chunk;
    }
    if (crc !== entry.crc32) throw new Error(`${path}: the CRC-32 is ${crc}, the list says ${entry.crc32}`);
  }
  try {
    const source = await zip.openReadStreamPromise(entry);
    await pipeline(source, checked, createWriteStream(to, { flags: "wx" }), { signal });
  } catch (cause) {
    throwIfStopped(signal, file);
    throw systemCode(cause) === undefined ? brokenError(file, cause) : cause;
  }
}

/**
 * Opens a zip file and checks its list of entries.
 *
 * @param file its path
 * @param limits bounds of what it may unpack to
 * @returns its members; close it when done
 * @throws DownloadError "broken-archive" or "unsafe-archive"
 */
export async function openZip(file: string, limits: ZipLimits): Promise<OpenZip> {
  const { openPromise } = await import("yauzl");
  let zip: ZipFile | undefined;
  let items: readonly ZipItem[];
  try {
    zip = await onDisk(file, () => openPromise(file, { autoClose: false, strictFileNames: true }));
    items = await listEntries(zip, file, limits);
  } catch (cause) {
    zip?.close();
    if (cause instanceof DownloadError) throw cause;
    if (!isNameError(cause)) throw brokenError(file, cause);
    const message = `${file}: ${(cause as Error).message}. This is not COCO's archive; nothing was unpacked.`;
    throw new DownloadError("unsafe-archive", message, { file }, { cause });
  }
  const opened = zip;
  const files = items.filter(({ isFolder }) => !isFolder);
  return {
    members: files.map(({ path, entry }) => ({ path, bytes: entry.uncompressedSize, crc32: entry.crc32 })),
    bytes: files.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0),
    async extract(folder, { signal, onProgress }) {
      let done = 0;
      const made = new Set<string>();
      for (const item of items) {
        throwIfStopped(signal, file);
        const to = join(folder, item.path);
        const parent = item.isFolder ? to : dirname(to);
        await onDisk(to, async () => {
          if (!made.has(parent)) await mkdir(parent, { recursive: true });
          made.add(parent);
          if (!item.isFolder) await extractFile(opened, file, item, to, signal);
        });
        done += item.entry.uncompressedSize;
        onProgress(done);
      }
    },
    close: () => opened.close(),
  };
}
