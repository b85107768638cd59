// Fetches one file over HTTP into a part file: goes on where an earlier attempt stopped (Range, If-Range; RFC 9110 §13–14), and tries
// again after failures that may pass. Knows the file's length beforehand and never writes more; checksums are the caller's.
import { type FileHandle, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isRecord } from "../json/json-values";
import { DownloadError, onDisk, systemCode, throwIfStopped } from "./download-error";

/** The file to fetch. */
export interface FileSource {
  readonly url: string;
  /** Its length; another one is an error. */
  readonly bytes: number;
}

/** How to fetch it. */
export interface DownloadFileOptions {
  /** Attempts after the first that may fail in a row. */
  readonly retries: number;
  /** Wait before the second attempt, milliseconds; doubles with each failure up to 30 s. */
  readonly retryDelayMs: number;
  /** Longest time without a byte, milliseconds. */
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Called with the bytes that are there. */
  readonly onProgress: (bytes: number) => void;
}

const MAX_WAIT_MS = 30_000;
// Less than this is no success that would forgive earlier failures: a server that gives a byte at a time must not hold us for ever.
const FORGIVING_BYTES = 1 << 20;

const stateFile = (part: string) => `${part}.json`;

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return 0;
    throw error;
  }
}

/** Deletes a part file and what is known about it. */
export async function removePart(part: string): Promise<void> {
  await onDisk(part, async () => {
    await rm(part, { force: true });
    await rm(stateFile(part), { force: true });
  });
}

// The mark by which the server tells whether the file is still the one that the part is of. Weak marks do not serve (RFC 9110 §13.1.5).
function validatorOf(headers: Headers): string | undefined {
  const etag = headers.get("etag");
  return etag && !etag.startsWith("W/") ? etag : (headers.get("last-modified") ?? undefined);
}

async function readValidator(part: string, url: string): Promise<string | undefined> {
  try {
    const state: unknown = JSON.parse(await readFile(stateFile(part), "utf8"));
    return isRecord(state) && state.url === url && typeof state.validator === "string" ? state.validator : undefined;
  } catch {
    return undefined; // no state, or a cut one: the part cannot be trusted, and is fetched anew
  }
}

function lengthError({ url, bytes }: FileSource, got: number): DownloadError {
  const message = `${url}: has ${got} bytes, the archive has ${bytes}. The server has another file; check the address.`;
  return new DownloadError("wrong-length", message, { url, got, expected: bytes });
}

// Whether another attempt may succeed where one was answered so.
const passes = (status: number) => status >= 500 || status === 408 || status === 429;

function mayPass(error: unknown): error is DownloadError {
  if (!(error instanceof DownloadError)) return false;
  const { reason, details } = error;
  return reason === "network" || reason === "timeout" || (reason === "http-status" && passes(Number(details.status)));
}

function statusError(url: string, { status, statusText, headers }: Response): DownloadError {
  const seconds = Number(headers.get("retry-after"));
  const retryAfterMs = seconds > 0 ? Math.min(seconds * 1000, MAX_WAIT_MS) : 0;
  const advice = passes(status) ? "Call again later to go on." : "Check the address.";
  const message = `${url}: the server answered ${`${status} ${statusText}`.trimEnd()}. ${advice}`;
  return new DownloadError("http-status", message, { url, status, retryAfterMs });
}

function networkError({ url, bytes }: FileSource, cause: unknown): DownloadError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const why = systemCode(inner) ?? (inner instanceof Error ? inner.message : String(inner));
  const message = `${url}: the connection failed (${why}). Call again to go on.`;
  return new DownloadError("network", message, { url, expected: bytes }, { cause });
}

// From where the body goes on in the part file; undefined where the answer fits no part and all has to be fetched anew.
function startOf(source: FileSource, response: Response, asked: number): number | undefined {
  if (response.status === 416) return undefined;
  if (response.status === 206) {
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "") ?? [];
    if (from === undefined || Number(from) !== asked) return undefined;
    if (total !== "*" && Number(total) !== source.bytes) throw lengthError(source, Number(total));
    return asked;
  }
  const length = response.headers.get("content-length");
  if (length !== null && Number(length) !== source.bytes) throw lengthError(source, Number(length));
  return 0;
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
}

// A connection that is given up when the caller wants it, or when nothing has come for too long; each failure gets its name.
function watchedConnection(source: FileSource, part: string, { signal, idleTimeoutMs }: DownloadFileOptions) {
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(), idleTimeoutMs);
  return {
    signal: AbortSignal.any([signal, idle.signal]),
    async wait<Result>(promise: Promise<Result>): Promise<Result> {
      timer.refresh();
      try {
        return await promise;
      } catch (cause) {
        throwIfStopped(signal, part);
        if (!idle.signal.aborted) throw networkError(source, cause);
        const message = `${source.url}: nothing came for ${idleTimeoutMs} ms. Call again to go on.`;
        throw new DownloadError("timeout", message, { url: source.url, idleTimeoutMs }, { cause });
      }
    },
    // Ends it, whether its answer was read or not.
    close() {
      clearTimeout(timer);
      idle.abort();
    },
  };
}

type Connection = ReturnType<typeof watchedConnection>;

async function writeBody(
  { body }: Response,
  {
    source,
    part,
    start,
    connection,
    onProgress,
  }: {
    readonly source: FileSource;
    readonly part: string;
    readonly start: number;
    readonly connection: Connection;
    readonly onProgress: (bytes: number) => void;
  },
): Promise<void> {
  const reader = body?.getReader();
  const handle = await onDisk(part, () => open(part, start > 0 ? "a" : "w"));
  let bytes = start;
  try {
    while (reader) {
      const { done, value } = await connection.wait(reader.read());
      if (done) break;
      bytes += value.length;
      if (bytes > source.bytes) throw lengthError(source, bytes);
      await onDisk(part, () => writeAll(handle, value));
      onProgress(bytes);
    }
  } finally {
    await handle.close();
  }
  if (bytes < source.bytes)
    throw networkError(source, new Error(`the answer ended at ${bytes} of ${source.bytes} bytes`));
}

// One request, and its answer to the part file.
async function attempt(source: FileSource, part: string, options: DownloadFileOptions): Promise<void> {
  const { url, bytes } = source;
  const there = await onDisk(part, () => sizeOf(part));
  const validator = there > 0 && there < bytes ? await readValidator(part, url) : undefined;
  const asked = validator === undefined ? 0 : there;
  const headers = new Headers({ "accept-encoding": "identity" });
  if (validator !== undefined) {
    headers.set("range", `bytes=${asked}-`);
    headers.set("if-range", validator);
  }
  const connection = watchedConnection(source, part, options);
  try {
    const response = await connection.wait(fetch(url, { headers, signal: connection.signal }));
    if (!response.ok && response.status !== 416) throw statusError(url, response);
    const start = startOf(source, response, asked);
    if (!start) await removePart(part);
    if (start === undefined)
      throw networkError(source, new Error(`the answer ${response.status} is not what was asked for`));
    if (start === 0) {
      const state = JSON.stringify({ url, validator: validatorOf(response.headers) });
      await onDisk(stateFile(part), () => writeFile(stateFile(part), state));
    }
    await writeBody(response, { source, part, start, connection, onProgress: options.onProgress });
  } finally {
    connection.close();
  }
}

/**
 * Fetches a file, or the rest of it.
 *
 * @param source address and length
 * @param part where it goes; what is there from an earlier call is kept where the server still has the same file
 * @param options attempts, waits, signal and progress
 * @throws DownloadError when the server has no such file or one of another length, the disk refuses, the signal is aborted, or too
 *   many attempts in a row failed
 */
export async function downloadFile(source: FileSource, part: string, options: DownloadFileOptions): Promise<void> {
  const { retries, retryDelayMs, signal } = options;
  for (let failures = 0; ; ) {
    throwIfStopped(signal, part);
    const before = await onDisk(part, () => sizeOf(part));
    if (before === source.bytes) return;
    const failure: unknown = await attempt(source, part, options).catch((error: unknown) => error);
    if (failure === undefined) return;
    if (!mayPass(failure)) throw failure;
    const gained = (await onDisk(part, () => sizeOf(part))) - before;
    failures = gained >= FORGIVING_BYTES ? 1 : failures + 1;
    if (failures > retries) throw failure;
    const wait = Math.max(
      Number(failure.details.retryAfterMs ?? 0),
      Math.min(retryDelayMs * 2 ** (failures - 1), MAX_WAIT_MS),
    );
    await sleep(wait, undefined, { signal }).catch(() => {}); // an abort is told at the top of the loop
  }
}
