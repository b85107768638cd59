// What can go wrong with a download, by name, and how a failure of the disk becomes such an error.
import { DatasetError, type ErrorDetails } from "@caddet/core/base";

/** What went wrong with a download or its archive. */
export type DownloadFault =
  | "http-status"
  | "network"
  | "timeout"
  | "wrong-length"
  | "wrong-checksum"
  | "disk"
  | "no-space"
  | "in-use"
  | "file-exists"
  | "broken-archive"
  | "unsafe-archive"
  | "aborted";

/** An archive cannot be fetched, is not the official one, or cannot be unpacked. */
export class DownloadError extends DatasetError {
  readonly reason: DownloadFault;

  constructor(reason: DownloadFault, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, { ...details, reason }, options);
    this.reason = reason;
  }
}

/** The operating system's name of an error (`ENOSPC`), or undefined where the error is another's. */
export function systemCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" && /^(E[A-Z0-9]+|ERR_FS_\w+)$/.test(code) ? code : undefined;
}

/**
 * Does something with a file and names it in the error.
 *
 * @param path what the error names
 * @param work reads or writes it
 * @throws DownloadError "no-space" or "disk" where the system refuses
 */
export async function onDisk<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const code = systemCode(cause);
    if (cause instanceof DownloadError || code === undefined) throw cause;
    if (code === "ENOSPC" || code === "EDQUOT") {
      const message = `${path}: the disk is full (${code}). Make room and call again; what is there is kept.`;
      throw new DownloadError("no-space", message, { path, code }, { cause });
    }
    const message = `${path}: cannot be read or written (${code}). Check path and rights.`;
    throw new DownloadError("disk", message, { path, code }, { cause });
  }
}

/** Throws the error of a stopped download if `signal` is aborted. */
export function throwIfStopped(signal: AbortSignal, path: string): void {
  if (!signal.aborted) return;
  const message = `${path}: the download was stopped. Call again to go on; what was fetched is kept.`;
  throw new DownloadError("aborted", message, { path }, { cause: signal.reason });
}
