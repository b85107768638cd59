// Where the command line's words go: results to stdout, remarks and errors to stderr, and JSON as the last line of stdout.
import type { ProgressStream } from "@caddet/trainer/node";

/** The command line's way to speak. */
export interface Output {
  /** Text of a result, to stdout; no line end is added. */
  readonly text: (text: string) => void;
  /** A remark for a person, to stderr; no line end is added. */
  readonly note: (text: string) => void;
  /** A long run's progress, to stderr. */
  readonly progress: ProgressStream;
  /** A result as one line of JSON, to stdout. */
  readonly json: (value: unknown) => void;
  /** An error: its message if it was thrown on purpose, the whole stack if it is a fault of the program. */
  readonly failure: (error: unknown) => void;
}

// Errors that were thrown on purpose carry a code and a message that is meant to be read.
const isExpected = (error: unknown): error is Error =>
  error instanceof Error && typeof (error as { code?: unknown }).code === "string";

/**
 * Makes an output on two streams.
 *
 * @param out for results, default stdout
 * @param err for remarks and errors, default stderr
 */
export function createOutput(
  out: { write(text: string): unknown } = process.stdout,
  err: ProgressStream = process.stderr,
): Output {
  return {
    text: (text) => void out.write(text),
    note: (text) => void err.write(text),
    progress: err,
    json: (value) => void out.write(`${JSON.stringify(value)}\n`),
    failure: (error) => {
      const text = isExpected(error) ? error.message : error instanceof Error ? (error.stack ?? error.message) : error;
      err.write(`error: ${text}\n`);
    },
  };
}

/** Lays rows out in columns: the first to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const cell = (text: string, i: number) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!));
  return rows.map((row) => `${row.map(cell).join("  ").trimEnd()}\n`).join("");
}

/** Text of foreign files without control characters, which could steer a terminal. */
export const plain = (text: string) => text.replace(/\p{Cc}/gu, "\u{FFFD}");
