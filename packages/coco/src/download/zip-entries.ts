// Reads a zip file's list of entries and refuses all that could leave the folder, stand for another file or fill the disk, before
// a byte is unpacked. The file itself is taken as hostile (zip slip, links, names that meet on another file system, overlapping
// entries and false sizes as in "A better zip bomb", Fifield 2019). Unpacking is in zip-extract.ts.
import type { Entry, ZipFile } from "yauzl";
import { DownloadError } from "./download-error";

/** Bounds of what a zip file may unpack to. */
export interface ZipLimits {
  readonly maxEntries: number;
  /** Of all files together, unpacked. */
  readonly maxBytes: number;
  /** Unpacked bytes for each packed one, of files above 1 MiB. */
  readonly maxRatio: number;
}

/** A file or folder that may be unpacked. */
export interface ZipItem {
  /** Relative, with "/", without one at the end. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly entry: Entry;
}

const SMALL_BYTES = 1 << 20;
const LOCAL_HEADER_BYTES = 30;
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 1024;
const MAX_REMARK_BYTES = 4096; // of an entry's extra fields and comment, which nothing here needs
// The type in a Unix mode: a link, a pipe or a device is none of these.
const TYPE_MASK = 0o170000;
const PLAIN_TYPES: ReadonlySet<number> = new Set([0, 0o100000, 0o040000]);
const RESERVED_ON_WINDOWS = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

function isSafeSegment(segment: string): boolean {
  if (segment === "" || segment === "." || segment === "..") return false;
  if (segment.endsWith(".") || segment.endsWith(" ")) return false; // Windows drops them: two names, one file
  if (/[<>:"|?*\\/]/.test(segment) || RESERVED_ON_WINDOWS.test(segment)) return false;
  if ([...segment].some((char) => char.charCodeAt(0) < 32)) return false;
  return Buffer.byteLength(segment) <= MAX_NAME_BYTES;
}

// A file at the top that starts with a dot could be the download's own.
function isArchivePath(path: string): boolean {
  const segments = path.split("/");
  return segments.every(isSafeSegment) && !segments[0]!.startsWith(".");
}

// How a path looks to a file system that knows neither case nor ways to compose a letter.
const folded = (path: string) => path.normalize("NFC").toLowerCase();

function refuse(file: string, entry: string, why: string): never {
  const message = `${file}: the entry ${JSON.stringify(entry)} ${why}. This is not COCO's archive; nothing was unpacked.`;
  throw new DownloadError("unsafe-archive", message, { file, entry });
}

function itemOf(file: string, entry: Entry, { maxRatio }: ZipLimits): ZipItem {
  const { fileName, compressedSize, uncompressedSize } = entry;
  const isFolder = fileName.endsWith("/");
  const path = isFolder ? fileName.slice(0, -1) : fileName;
  if (entry.fileNameLength > MAX_PATH_BYTES || entry.extraFieldLength + entry.fileCommentLength > MAX_REMARK_BYTES) {
    refuse(file, fileName.slice(0, MAX_NAME_BYTES), "has a name or remarks of uncommon length");
  }
  if (!isArchivePath(path)) refuse(file, fileName, "has a name that is not safe everywhere");
  const type = (entry.externalFileAttributes >>> 16) & TYPE_MASK;
  if (!PLAIN_TYPES.has(type) || (type === 0o040000) !== (isFolder && type !== 0)) {
    refuse(file, fileName, "is a link or no plain file");
  }
  if (!entry.canDecodeFileData()) refuse(file, fileName, "is encrypted or packed in a way that is not read");
  if (isFolder && uncompressedSize > 0) refuse(file, fileName, "is a folder with content");
  if (uncompressedSize > SMALL_BYTES && uncompressedSize > compressedSize * maxRatio) {
    refuse(file, fileName, `unpacks to more than ${maxRatio} times its packed size`);
  }
  return { path, isFolder, entry };
}

// Two entries must not be one file, and no file a folder on the way to another.
function checkNames(file: string, items: readonly ZipItem[]): void {
  const kinds = new Map<string, "file" | "folder">();
  for (const { path, isFolder, entry } of items) {
    const name = folded(path);
    const known = kinds.get(name);
    if (known && !(known === "folder" && isFolder)) refuse(file, entry.fileName, "is there twice");
    kinds.set(name, isFolder ? "folder" : "file");
    for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
      const parent = name.slice(0, at);
      if (kinds.get(parent) === "file") refuse(file, entry.fileName, "lies in a file");
      kinds.set(parent, "folder");
    }
  }
}

function checkOverlaps(file: string, items: readonly ZipItem[]): void {
  const entries = items.map(({ entry }) => entry);
  entries.sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  let end = 0;
  for (const { fileName, relativeOffsetOfLocalHeader, compressedSize } of entries) {
    if (relativeOffsetOfLocalHeader < end) refuse(file, fileName, "shares bytes with another");
    end = relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + compressedSize;
  }
}

/**
 * Lists what a zip file would unpack.
 *
 * @param zip opened with checked names and sizes
 * @param file for error texts
 * @param limits bounds of what is accepted
 * @returns all entries, in the file's order
 * @throws DownloadError "unsafe-archive" at the first entry that could do harm
 */
export async function listEntries(zip: ZipFile, file: string, limits: ZipLimits): Promise<readonly ZipItem[]> {
  const { maxEntries, maxBytes } = limits;
  if (zip.entryCount > maxEntries) {
    const message = `${file}: claims ${zip.entryCount} entries, at most ${maxEntries} are unpacked. This is not COCO's archive.`;
    throw new DownloadError("unsafe-archive", message, { file, entries: zip.entryCount });
  }
  const items: ZipItem[] = [];
  let bytes = 0;
  for await (const entry of zip.eachEntry()) {
    items.push(itemOf(file, entry, limits));
    bytes += entry.uncompressedSize;
    if (bytes > maxBytes) refuse(file, entry.fileName, `brings the unpacked files above ${maxBytes} bytes`);
  }
  checkNames(file, items);
  checkOverlaps(file, items);
  return items;
}
