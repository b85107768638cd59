// Takes single files out of a zip archive, piece by piece, so that a library of half a gigabyte never lies in memory. Stored and
// deflated entries; no zip64, no encryption. The archive is checked by its hash before.
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";

/** One file of an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressed: number;
  readonly size: number;
  /** Of its local header. */
  readonly offset: number;
}

const END = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const ENTRY = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;

async function readAt(path: string, position: number, length: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, position);
    if (bytesRead !== length) throw new Error(`${path} ends after ${position + bytesRead} bytes`);
    return buffer;
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  const file = await open(path);
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/**
 * Lists an archive.
 *
 * @throws Error when it is none, or has zip64's sizes
 */
export async function zipEntries(path: string): Promise<ZipEntry[]> {
  const size = await sizeOf(path);
  const tailBytes = Math.min(size, END_BYTES + LONGEST_COMMENT);
  const tail = await readAt(path, size - tailBytes, tailBytes);
  let at = tail.length - END_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw new Error(`${path} is no zip archive`);
  const count = tail.readUInt16LE(at + 10);
  const [bytes, start] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
  if (count === 0xffff || start === 0xffffffff) throw new Error(`${path} is a zip64 archive`);
  const directory = await readAt(path, start, bytes);
  const entries: ZipEntry[] = [];
  let position = 0;
  for (let n = 0; n < count; n++) {
    if (directory.readUInt32LE(position) !== ENTRY) throw new Error(`${path} has a broken directory`);
    const [name, extra, comment] = [28, 30, 32].map((field) => directory.readUInt16LE(position + field)) as [
      number,
      number,
      number,
    ];
    const nameAt = position + ENTRY_BYTES;
    entries.push({
      name: directory.toString("utf8", nameAt, nameAt + name),
      method: directory.readUInt16LE(position + 10),
      compressed: directory.readUInt32LE(position + 20),
      size: directory.readUInt32LE(position + 24),
      offset: directory.readUInt32LE(position + 42),
    });
    position = nameAt + name + extra + comment;
  }
  return entries;
}

/**
 * Writes one file of an archive.
 *
 * @param path of the archive
 * @param entry of {@link zipEntries}
 * @param target where it goes; folders are made
 * @param signal stops it
 * @throws Error when the entry is packed in another way, or not as long as it says
 */
export async function extractEntry(path: string, entry: ZipEntry, target: string, signal?: AbortSignal): Promise<void> {
  const { name, method, compressed, size, offset } = entry;
  if (method !== STORED && method !== DEFLATED) throw new Error(`${name} is packed by method ${method}`);
  const local = await readAt(path, offset, LOCAL_BYTES);
  if (local.readUInt32LE(0) !== LOCAL) throw new Error(`${path} has no entry at ${offset}`);
  const start = offset + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
  await mkdir(dirname(target), { recursive: true });
  let written = 0;
  const counted = new Transform({
    transform(piece: Buffer, _encoding, done) {
      written += piece.length;
      done(written > size ? new Error(`${name} is longer than the ${size} bytes that it says`) : null, piece);
    },
  });
  const source = createReadStream(path, { start, end: start + Math.max(compressed - 1, 0) });
  const unpacked = method === DEFLATED ? [source, createInflateRaw()] : [source];
  await pipeline([...unpacked, counted, createWriteStream(target)], signal ? { signal } : {});
  if (written !== size) throw new Error(`${name} has ${written} bytes, not the ${size} that it says`);
}
