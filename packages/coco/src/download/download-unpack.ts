// From a fetched archive to files in place: room, unpacking beside the target, moving into it, and the record that it is done.
// Fetching and checksums are in download.ts.
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "./crc32";
import type { Archive } from "./download-archives";
import { DownloadError, onDisk, systemCode, throwIfStopped } from "./download-error";
import { openZip, type ZipMember } from "./zip-extract";

/** How far an archive is. */
export interface DownloadProgress {
  readonly archive: string;
  readonly step: "fetch" | "verify" | "extract";
  /** Bytes that this step has done. */
  readonly done: number;
  /** Bytes that it has to do. */
  readonly total: number;
}

/** What became of an archive. */
export interface DownloadedArchive {
  readonly archive: string;
  /** "present" where an earlier call has brought it and all its files are still there. */
  readonly state: "downloaded" | "present";
  readonly files: number;
  /** Of its files, unpacked. */
  readonly bytes: number;
}

/** One archive of a call. */
export interface DownloadJob {
  readonly name: string;
  readonly archive: Archive;
  readonly url: string;
  readonly folder: string;
  /** FOLDER/.download */
  readonly work: string;
  readonly signal: AbortSignal;
  readonly report: (step: DownloadProgress["step"], done: number, total: number) => void;
}

// COCO's images are stored as they are and its annotations pack to a quarter.
const MAX_RATIO = 100;
const MAX_ENTRIES = 250_000;
const maxUnpackedBytes = (archive: Archive) => archive.bytes * 10 + (16 << 20);

/** Where it is written down that an archive is there, and with which files. */
export const recordFile = ({ work, name }: DownloadJob) => join(work, `${name}.json`);

/** A plain file's length, or undefined where there is none. */
export async function sizeOrMissing(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** Throws "no-space" where the folder's disk has less room than is needed. */
export async function requireSpace(folder: string, needed: number, what: string): Promise<void> {
  const { bavail, bsize } = await onDisk(folder, () => statfs(folder));
  const free = bavail * bsize;
  if (needed <= free) return;
  const message = `${folder}: ${what} needs ${needed} bytes, ${free} are free. Make room or name another folder.`;
  throw new DownloadError("no-space", message, { folder, needed, free });
}

async function hasContent(path: string, { bytes, crc32: expected }: ZipMember): Promise<boolean> {
  if ((await sizeOrMissing(path)) !== bytes) return false;
  let crc = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) crc = crc32(chunk, crc);
  return crc === expected;
}

// Moves what was unpacked into the folder. Names at the top that are free are moved whole; others are filled up, where all files
// that are there already have the very content.
async function moveInto(
  { folder, signal }: DownloadJob,
  unpacked: string,
  members: readonly ZipMember[],
): Promise<void> {
  await onDisk(folder, async () => {
    const taken = new Set(await readdir(folder));
    const isTaken = ({ path }: ZipMember) => taken.has(path.split("/", 1)[0]!);
    const inTaken = members.filter(isTaken);
    for (const member of inTaken) {
      throwIfStopped(signal, folder);
      const to = join(folder, member.path);
      if ((await exists(to)) && !(await hasContent(to, member))) {
        const message = `${to}: is there with other content than the archive's. Move it away and call again.`;
        throw new DownloadError("file-exists", message, { file: to });
      }
    }
    for (const name of await readdir(unpacked)) {
      if (!taken.has(name)) await rename(join(unpacked, name), join(folder, name));
    }
    for (const { path } of inTaken) {
      const to = join(folder, path);
      await mkdir(dirname(to), { recursive: true });
      await rename(join(unpacked, path), to);
    }
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Unpacks an archive into the job's folder; the files appear when all of them are whole.
 *
 * @param job which archive, and where to
 * @param part the archive
 * @returns what is there now
 * @throws DownloadError when it is broken or not safe, a file is there with other content, or the disk refuses
 */
export async function unpackArchive(job: DownloadJob, part: string): Promise<DownloadedArchive> {
  const { name, archive, folder, work, signal, report } = job;
  const unpacked = join(work, `${name}.unpacked`);
  const limits = { maxEntries: MAX_ENTRIES, maxBytes: maxUnpackedBytes(archive), maxRatio: MAX_RATIO };
  await onDisk(unpacked, () => rm(unpacked, { recursive: true, force: true }));
  const zip = await openZip(part, limits);
  const { members, bytes } = zip;
  try {
    await requireSpace(folder, bytes, `unpacking ${name}`);
    await onDisk(unpacked, () => mkdir(unpacked));
    await zip.extract(unpacked, { signal, onProgress: (done) => report("extract", done, bytes) });
    await moveInto(job, unpacked, members);
  } finally {
    zip.close();
    await rm(unpacked, { recursive: true, force: true });
  }
  const files = Object.fromEntries(members.map((member) => [member.path, member.bytes]));
  const record = JSON.stringify({ archive: name, checksum: archive.checksum.hex, files });
  const draft = `${recordFile(job)}.new`;
  await onDisk(draft, () => writeFile(draft, record));
  await onDisk(recordFile(job), () => rename(draft, recordFile(job)));
  return { archive: name, state: "downloaded", files: members.length, bytes };
}
