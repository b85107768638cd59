// Brings COCO's archives into a folder: fetches, compares with the official checksum, unpacks and moves into place, so that a file
// is there whole or not at all. What is done is written down in FOLDER/.download, where unfinished work waits for the next call.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@caddet/core/base";
import { isRecord } from "../json/json-values";
import { type Archive, COCO_ARCHIVES, COCO_BASE_URL } from "./download-archives";
import { DownloadError, onDisk, throwIfStopped } from "./download-error";
import { downloadFile, removePart } from "./download-file";
import { whileLocked } from "./download-lock";
import {
  type DownloadedArchive,
  type DownloadJob,
  type DownloadProgress,
  recordFile,
  requireSpace,
  sizeOrMissing,
  unpackArchive,
} from "./download-unpack";

/** Options of {@link downloadDataset}. */
export interface DownloadOptions {
  /** Where the data set goes; made where it is missing. */
  readonly folder: string;
  /** Start of the archives' addresses, for a mirror. Default COCO's own host. */
  readonly baseUrl?: string;
  /** The archives that can be named. Default COCO 2017's. */
  readonly archives?: Readonly<Record<string, Archive>>;
  /** Attempts after the first that may fail in a row. Default 5. */
  readonly retries?: number;
  /** Wait before the second attempt, milliseconds; doubles with each failure up to 30 s. Default 1000. */
  readonly retryDelayMs?: number;
  /** Longest time without a byte, milliseconds. Default 30000. */
  readonly idleTimeoutMs?: number;
  /** Ends the work; the next call goes on from there. */
  readonly signal?: AbortSignal;
  /** Called often: once for each piece of data. */
  readonly onProgress?: (progress: DownloadProgress) => void;
}

// What an earlier call wrote down, if it is about this archive and each of its files still has its length.
async function findPresent(job: DownloadJob): Promise<DownloadedArchive | undefined> {
  const { name, archive, folder } = job;
  let record: unknown;
  try {
    record = JSON.parse(await readFile(recordFile(job), "utf8"));
  } catch {
    return undefined;
  }
  if (!isRecord(record) || record.checksum !== archive.checksum.hex || !isRecord(record.files)) return undefined;
  let bytes = 0;
  const files = Object.entries(record.files);
  for (const [path, size] of files) {
    if (typeof size !== "number" || (await onDisk(folder, () => sizeOrMissing(join(folder, path)))) !== size) {
      return undefined;
    }
    bytes += size;
  }
  return { archive: name, state: "present", files: files.length, bytes };
}

async function verify({ name, archive, url, signal, report }: DownloadJob, part: string): Promise<void> {
  const { algorithm, hex } = archive.checksum;
  const hash = createHash(algorithm);
  let done = 0;
  await onDisk(part, async () => {
    for await (const chunk of createReadStream(part, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      throwIfStopped(signal, part);
      hash.update(chunk);
      done += chunk.length;
      report("verify", done, archive.bytes);
    }
  });
  const got = hash.digest("hex");
  if (got === hex) return;
  await removePart(part);
  const message = `${url}: ${algorithm} is ${got}, that of ${name} is ${hex}. The file was deleted; call again, or check the address.`;
  throw new DownloadError("wrong-checksum", message, { url, algorithm, got, expected: hex });
}

async function bring(
  job: DownloadJob,
  options: Required<Pick<DownloadOptions, "retries" | "retryDelayMs" | "idleTimeoutMs">>,
) {
  const { name, archive, url, folder, work, signal, report } = job;
  const present = await findPresent(job);
  if (present) return present;
  const part = join(work, `${name}.zip.part`);
  const there = (await onDisk(part, () => sizeOrMissing(part))) ?? 0;
  // The files are at least about as long as the archive; the exact sum is known once it is here, and looked at again.
  await requireSpace(folder, Math.max(0, archive.bytes - there) + archive.bytes, name);
  await downloadFile({ url, bytes: archive.bytes }, part, {
    ...options,
    signal,
    onProgress: (done) => report("fetch", done, archive.bytes),
  });
  await verify(job, part);
  const result = await unpackArchive(job, part);
  await removePart(part);
  return result;
}

function urlOf({ path }: Archive, baseUrl: string): string {
  const base = URL.canParse(baseUrl) ? new URL(baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`) : undefined;
  if (base?.protocol !== "http:" && base?.protocol !== "https:") {
    throw new ConfigError(`baseUrl must be an http or https address, got ${JSON.stringify(baseUrl)}.`, { baseUrl });
  }
  return new URL(path, base).href;
}

function requireCount(option: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new ConfigError(`${option} must be an integer from ${least}, got ${value}.`, { option });
}

/**
 * Fetches archives of a data set and unpacks them, one after the other. What an earlier call has done is not done again.
 *
 * @param names of archives, e.g. "val2017" and "annotations"; `COCO_ARCHIVES` has all
 * @param options folder, mirror, attempts, signal and progress
 * @returns what became of each archive, in the order of `names`
 * @throws ConfigError for an unknown name or a wrong option; DownloadError, whose `reason` tells a failed connection, a file that is
 *   not the official one, an archive that is not safe to unpack, a full or closed disk and an abort apart
 * @example await downloadDataset(["val2017", "annotations"], { folder: "data/coco" })
 */
export async function downloadDataset(
  names: readonly string[],
  {
    folder,
    baseUrl = COCO_BASE_URL,
    archives = COCO_ARCHIVES,
    retries = 5,
    retryDelayMs = 1000,
    idleTimeoutMs = 30_000,
    signal = new AbortController().signal,
    onProgress = () => {},
  }: DownloadOptions,
): Promise<readonly DownloadedArchive[]> {
  requireCount("retries", retries, 0);
  requireCount("retryDelayMs", retryDelayMs, 0);
  requireCount("idleTimeoutMs", idleTimeoutMs, 1);
  const work = join(folder, ".download");
  const jobs = [...new Set(names)].map((name): DownloadJob => {
    const archive = Object.hasOwn(archives, name) ? archives[name] : undefined;
    if (!archive) {
      const known = Object.keys(archives).join(", ");
      throw new ConfigError(`There is no archive ${JSON.stringify(name)}; there are ${known}.`, { name });
    }
    const report: DownloadJob["report"] = (step, done, total) => onProgress({ archive: name, step, done, total });
    return { name, archive, url: urlOf(archive, baseUrl), folder, work, signal, report };
  });
  throwIfStopped(signal, folder);
  await onDisk(work, () => mkdir(work, { recursive: true }));
  return whileLocked(join(work, "lock"), async () => {
    const results: DownloadedArchive[] = [];
    for (const job of jobs) results.push(await bring(job, { retries, retryDelayMs, idleTimeoutMs }));
    return results;
  });
}
