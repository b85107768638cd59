// The piece of a JSON text that is in memory. A token is always read as a whole: where the window ends inside one, the token
// moves to the front and more bytes come behind it. A zero behind the last byte ends every loop over bytes, so that none has to
// look at the window's end first.
import { DatasetError } from "@caddet/core/base";
import type { ByteSource } from "./byte-source";

/** A window over a source; the readers of json-*.ts move `at`. */
export interface ByteWindow {
  /** The file's name, for error texts. */
  readonly file: string;
  readonly source: ByteSource;
  /** Offset in the file of the source's first byte. */
  readonly start: number;
  /** How many bytes will be read, roughly; 0 where that is not known. */
  readonly size: number;
  /** `bytes[end]` is 0. */
  bytes: Uint8Array;
  /** The next byte to read. */
  at: number;
  end: number;
  /** Offset in the file of `bytes[0]`. */
  base: number;
  /** Whether the source has no more bytes. */
  ended: boolean;
}

/** How {@link openWindow} reads. */
export interface WindowOptions {
  /** The file's name, for error texts. */
  readonly file: string;
  /** Offset in the file of the source's first byte, default 0. */
  readonly start?: number;
  /** Offset at which reading ends, roughly; a hint. */
  readonly limit?: number;
  /** Bytes held at once, default 256 KiB; it grows where a token is longer. */
  readonly window?: number;
}

/** What {@link peek} gives where the text ends. */
export const END = -1;

const WINDOW = 1 << 18;
// No name and no number is that long; a file that has one would ask for memory without end.
const MAX_TOKEN = 1 << 26;

/**
 * Opens a window at the start of a JSON text, or inside of it.
 *
 * @param source gives the bytes
 * @param options name, place and size
 * @returns a window that stands behind a byte order mark, if there is one
 * @throws DatasetError when the text is UTF-16
 */
export function openWindow(source: ByteSource, options: WindowOptions): ByteWindow {
  const { file, start = 0, limit = Number.POSITIVE_INFINITY, window = WINDOW } = options;
  const size = Math.max(0, Math.min(source.size ?? 0, limit - start));
  const w = { file, source, start, size, bytes: new Uint8Array(window + 1), at: 0, end: 0, base: start, ended: false };
  if (start > 0) return w;
  while (w.end < 4 && refill(w));
  const [a, b, c] = w.bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) w.at = 3;
  const marked = (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff);
  if (marked || (w.end > 1 && (a === 0) !== (b === 0))) {
    throw new DatasetError(`${file}: is UTF-16 text. Save it as UTF-8.`, { file });
  }
  return w;
}

/** Brings more bytes; those from `at` on stay, but move. Whether any came. */
export function refill(w: ByteWindow): boolean {
  if (w.ended) return false;
  const kept = w.end - w.at;
  const size = w.bytes.length - 1;
  if (kept > size / 2) {
    if (kept > MAX_TOKEN) {
      const message = `${w.file}: has a text or a number of more than ${MAX_TOKEN} bytes at byte ${offsetOf(w)}. This is no COCO file.`;
      throw new DatasetError(message, { file: w.file, offset: offsetOf(w) });
    }
    const bytes = new Uint8Array(size * 2 + 1);
    bytes.set(w.bytes.subarray(w.at, w.end));
    w.bytes = bytes;
  } else {
    w.bytes.copyWithin(0, w.at, w.end);
  }
  w.base += w.at;
  w.at = 0;
  w.end = kept;
  // To the brim, so that a long token is not looked at again for every small piece that a pipe gives.
  while (!w.ended && w.end < w.bytes.length - 1) {
    const count = w.source.read(w.bytes.subarray(w.end, w.bytes.length - 1));
    w.end += count;
    w.ended = count === 0;
  }
  w.bytes[w.end] = 0;
  return w.end > kept;
}

// A bound on what a misleading file reserves; memory that is only reserved is not used yet.
const MAX_GROWTH = 16;

/** Offset in the file of the next byte. */
export function offsetOf(w: ByteWindow): number {
  return w.base + w.at;
}

/**
 * For how many of something to make place, where there is none for another one: twice as many as so far, or, in a source of known
 * size, what it has if the rest is like the part that was read.
 *
 * @param w where reading is
 * @param count how many there are so far
 * @param from offset of the first one
 */
export function expectedCount(w: ByteWindow, count: number, from: number): number {
  const offset = offsetOf(w);
  const rest = Math.max(0, w.start + w.size - offset);
  const expected = (count + (rest * count) / (offset - from + 1)) * 1.02;
  return Math.ceil(Math.max(1024, count * 2, Math.min(expected, count * MAX_GROWTH)));
}

/** Goes to the next byte that is no white space and gives it, or {@link END}. */
export function peek(w: ByteWindow): number {
  for (;;) {
    const c = w.bytes[w.at]!;
    if (c > 32) return c;
    if (c === 32 || c === 10 || c === 13 || c === 9) w.at++;
    else if (w.at < w.end) return c;
    else if (!refill(w)) return END;
  }
}

function standing(w: ByteWindow): string {
  while (w.end - w.at < 24 && refill(w));
  if (w.at === w.end) return "the end of the file";
  const text = new TextDecoder().decode(w.bytes.subarray(w.at, Math.min(w.end, w.at + 24)));
  return JSON.stringify(text.slice(0, 16));
}

/** The error for a text that is no JSON: what was expected at `at`, and what stands there. */
export function syntaxError(w: ByteWindow, expected: string): DatasetError {
  const got = standing(w);
  const offset = offsetOf(w);
  const message = `${w.file}: is not JSON (expected ${expected} at byte ${offset}, got ${got}). Get the file again.`;
  return new DatasetError(message, { file: w.file, offset });
}

/** Reads one byte of punctuation. */
export function expectByte(w: ByteWindow, byte: number, what: string): void {
  if (peek(w) !== byte) throw syntaxError(w, what);
  w.at++;
}

/** Reads a word such as `true` whole, or nothing. */
export function readWord(w: ByteWindow, word: string): boolean {
  while (w.end - w.at < word.length && refill(w));
  for (let i = 0; i < word.length; i++) if (w.bytes[w.at + i] !== word.charCodeAt(i)) return false;
  w.at += word.length;
  return true;
}
