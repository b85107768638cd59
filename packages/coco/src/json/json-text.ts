// Reads the strings and keys of a JSON text from bytes. Known keys are compared as bytes, others are passed over; a string is
// only made where it is asked for.
import { type ByteWindow, expectByte, peek, refill, syntaxError } from "./byte-window";

const QUOTE = 34;
const BACKSLASH = 92;
const ESCAPES = new TextEncoder().encode('"\\/bfnrt');

/** Passes over the string that starts at the window's place. */
export function skipString(w: ByteWindow): void {
  w.at++;
  for (;;) {
    const { bytes } = w;
    let i = w.at;
    let c = bytes[i]!;
    while (c !== QUOTE && c !== BACKSLASH && c >= 32) c = bytes[++i]!;
    w.at = i;
    if (c === QUOTE) {
      w.at++;
      return;
    }
    if (c === BACKSLASH) skipEscape(w);
    else if (i < w.end || !refill(w)) throw syntaxError(w, 'a text without control characters that ends in "');
  }
}

function skipEscape(w: ByteWindow): void {
  while (w.end - w.at < 6 && refill(w));
  const c = w.bytes[w.at + 1]!;
  if (ESCAPES.includes(c)) {
    w.at += 2;
    return;
  }
  const hex = c === 117 ? String.fromCharCode(...w.bytes.subarray(w.at + 2, w.at + 6)) : "";
  if (!/^[\da-f]{4}$/i.test(hex)) throw syntaxError(w, "an escape sequence");
  w.at += 6;
}

// Brings the string at the window's place into the window whole; the place of its closing quote.
function wholeString(w: ByteWindow): number {
  for (;;) {
    const { bytes } = w;
    let i = w.at + 1;
    let c = bytes[i]!;
    while (c !== QUOTE && (c !== 0 || i < w.end)) {
      if (c === BACKSLASH && i + 1 < w.end) i++;
      c = bytes[++i]!;
    }
    if (c === QUOTE) return i;
    if (!refill(w)) throw syntaxError(w, 'a text that ends in "');
  }
}

/** Reads the string that starts at the window's place. */
export function readString(w: ByteWindow): string {
  if (peek(w) !== QUOTE) throw syntaxError(w, "a text");
  const end = wholeString(w);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(w.bytes.subarray(w.at, end + 1));
  try {
    const value = JSON.parse(text) as string;
    w.at = end + 1;
    return value;
  } catch {
    throw syntaxError(w, "a text without control characters or unknown escapes");
  }
}

/** Keys that are looked for, and the one that is tried first: the entries of a list mostly have theirs in one order. */
export interface KeyTable {
  readonly names: readonly string[];
  /** UTF-8 with both quotes. */
  readonly bytes: readonly Uint8Array[];
  readonly longest: number;
  next: number;
}

/** Prepares keys for {@link readKey}. */
export function keyTable(names: readonly string[]): KeyTable {
  const bytes = names.map((name) => new TextEncoder().encode(JSON.stringify(name)));
  return { names, bytes, longest: Math.max(...bytes.map((b) => b.length)), next: 0 };
}

function standsAt(w: ByteWindow, key: Uint8Array): boolean {
  const { bytes, at } = w;
  // The first byte of both is the quote.
  for (let i = 1; i < key.length; i++) if (bytes[at + i] !== key[i]) return false;
  return true;
}

/**
 * Reads a key and its colon.
 *
 * @param w stands before the key, white space allowed
 * @param table the keys that matter
 * @returns the key's number in the table, -1 for any other
 */
export function readKey(w: ByteWindow, table: KeyTable): number {
  if (peek(w) !== QUOTE) throw syntaxError(w, "a key");
  while (w.end - w.at < table.longest && refill(w));
  const found = findKey(w, table);
  if (found >= 0) {
    w.at += table.bytes[found]!.length;
    table.next = found + 1 < table.names.length ? found + 1 : 0;
    expectColon(w);
    return found;
  }
  const end = wholeString(w);
  for (let i = w.at; i < end; i++) if (w.bytes[i] === BACKSLASH) return namedKey(w, table);
  skipString(w);
  expectColon(w);
  return -1;
}

function findKey(w: ByteWindow, { bytes, next }: KeyTable): number {
  if (standsAt(w, bytes[next]!)) return next;
  for (let k = 0; k < bytes.length; k++) if (standsAt(w, bytes[k]!)) return k;
  return -1;
}

// A key may be spelled with escapes.
function namedKey(w: ByteWindow, table: KeyTable): number {
  const name = readString(w);
  expectColon(w);
  return table.names.indexOf(name);
}

function expectColon(w: ByteWindow): void {
  if (w.bytes[w.at] === 58) w.at++;
  else expectByte(w, 58, "a colon");
}
