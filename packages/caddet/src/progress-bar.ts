// How far a list of images is, for a person: a bar on a terminal, a line now and then elsewhere. A training's progress is @caddet/trainer's.
import type { ProgressStream } from "@caddet/trainer/node";

/** A progress display. */
export interface ProgressBar {
  /** Shows how many are done, with a few words. */
  update(done: number, words?: string): void;
  /** Takes the bar off the screen, so that something else can be printed; the next update draws it again. */
  clear(): void;
}

/** Options of {@link createProgressBar}. */
export interface ProgressBarOptions {
  /** How many there are; unknown for a stream. */
  readonly total?: number;
  /** Such as "images". */
  readonly unit: string;
  /** Plain lines come no more often than this. Default 10. */
  readonly everySeconds?: number;
}

const WIDTH = 20;
const BAR_EVERY_MS = 100;

/**
 * Makes a progress display.
 *
 * @param stream where to, e.g. `process.stderr`
 * @param options how many of what
 */
export function createProgressBar(
  stream: ProgressStream,
  { total, unit, everySeconds = 10 }: ProgressBarOptions,
): ProgressBar {
  const started = performance.now();
  let last = started;
  let isShown = false;
  const clear = () => {
    if (isShown) stream.write("\r\u001b[2K");
    isShown = false;
  };
  return {
    clear,
    update(done, words = "") {
      const now = performance.now();
      const every = stream.isTTY ? (isShown ? BAR_EVERY_MS : 0) : everySeconds * 1000;
      if (now - last < every) return;
      last = now;
      const rate = `${(done / ((now - started) / 1000)).toFixed(1)} ${unit}/s`;
      const text = [total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`, rate, words]
        .filter(Boolean)
        .join("  ");
      if (!stream.isTTY) {
        stream.write(`${text}\n`);
        return;
      }
      const filled = total ? Math.round((WIDTH * Math.min(done, total)) / total) : 0;
      const bar = total === undefined ? "" : `[${"█".repeat(filled)}${"░".repeat(WIDTH - filled)}] `;
      stream.write(`\r\u001b[2K${`${bar}${text}`.slice(0, (stream.columns ?? 80) - 1)}`);
      isShown = true;
    },
  };
}
