// `caddet coco download`: COCO's archives, fetched, verified and unpacked.
import { type Archive, COCO_ARCHIVES, DownloadError, type DownloadProgress, downloadDataset } from "@caddet/coco/node";
import type { Output } from "../output";
import { watchSignals } from "../stop-signal";

export interface CocoDownloadOptions {
  readonly out: string;
  readonly baseUrl?: string;
  readonly json: boolean;
}

const STEPS = { fetch: "fetching", verify: "verifying", extract: "unpacking" } as const;
const TERMINAL_MS = 200;
const PLAIN_MS = 10_000;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

// One line that changes on a terminal, a line now and then elsewhere; the end of each step is always told.
function progressLines({ progress: stream }: Output): (progress: DownloadProgress) => void {
  const every = stream.isTTY ? TERMINAL_MS : PLAIN_MS;
  let last = performance.now();
  let step = { name: "", at: last, done: 0 };
  return ({ archive, step: name, done, total }) => {
    const now = performance.now();
    if (step.name !== archive + name) step = { name: archive + name, at: now, done };
    const isDone = done === total;
    if (now - last < every && !isDone) return;
    last = now;
    const rate = (done - step.done) / Math.max(now - step.at, 1) / 1000;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const speed = rate > 0 ? `, ${rate.toFixed(1)} MB/s` : "";
    const line = `${archive}: ${STEPS[name]} ${percent}% of ${megabytes(total)}${speed}`;
    if (stream.isTTY) stream.write(`\r${line.slice(0, (stream.columns ?? 80) - 1)}\u001b[K${isDone ? "\n" : ""}`);
    else stream.write(`${line}\n`);
  };
}

/**
 * Fetches archives and says what became of each.
 *
 * @returns the exit code: 0, or 130 and 143 after SIGINT and SIGTERM
 */
export async function cocoDownload(
  names: readonly string[],
  { out, baseUrl, json }: CocoDownloadOptions,
  output: Output,
  archives: Readonly<Record<string, Archive>> = COCO_ARCHIVES,
): Promise<number> {
  const watch = watchSignals(() => output.note("\nStopping; once more ends at once.\n"));
  try {
    const done = await downloadDataset(names, {
      folder: out,
      ...(baseUrl === undefined ? {} : { baseUrl }),
      archives,
      signal: watch.signal,
      onProgress: progressLines(output),
    });
    for (const { archive, state, files, bytes } of done) {
      const what = `${files} ${files === 1 ? "file" : "files"}, ${megabytes(bytes)}`;
      output.text(
        state === "present"
          ? `${archive}: is there already (${what}); nothing to do\n`
          : `${archive}: ${what}, checksum verified\n`,
      );
    }
    if (json) output.json({ folder: out, archives: done });
    return 0;
  } catch (error) {
    if (!(error instanceof DownloadError && error.reason === "aborted" && watch.exitCode() !== 0)) throw error;
    output.note(`${error.message}\n`);
    return watch.exitCode();
  } finally {
    watch.dispose();
  }
}
