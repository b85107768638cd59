// Passes over whole values of a JSON text, and reads outlines of those that stand where something else belongs. Nothing here
// recurses deeper than MAX_DEPTH, whatever the file says.
import { type ByteWindow, expectByte, peek, readWord, syntaxError } from "./byte-window";
import { readNumber, startsNumber } from "./json-number";
import { readString, skipString } from "./json-text";

const MAX_DEPTH = 1000;
const COMMA = 44;
const QUOTE = 34;
const LIST = 91;
const LIST_END = 93;
const OBJECT = 123;
const OBJECT_END = 125;

/**
 * Passes over the value at the window's place and checks its grammar.
 *
 * @param w stands before the value, white space allowed
 * @throws DatasetError at a syntax error, and where lists and objects are nested more than 1,000 deep
 */
export function skipValue(w: ByteWindow): void {
  // The byte that closes each open list or object.
  const open: number[] = [];
  for (;;) {
    const c = peek(w);
    if (c === LIST || c === OBJECT) {
      const close = c === LIST ? LIST_END : OBJECT_END;
      w.at++;
      if (peek(w) === close) w.at++;
      else {
        if (open.length === MAX_DEPTH) throw syntaxError(w, `at most ${MAX_DEPTH} nested lists`);
        open.push(close);
        if (close === OBJECT_END) skipKey(w);
        continue;
      }
    } else if (!(open[open.length - 1] === LIST_END ? skipNumbers(w) : false)) {
      skipScalar(w, c);
    }
    if (closeAll(w, open)) return;
  }
}

// Goes on to the next value, over closing brackets and a comma; whether there is none because the outermost value ended.
function closeAll(w: ByteWindow, open: number[]): boolean {
  for (;;) {
    const close = open[open.length - 1];
    if (close === undefined) return true;
    const c = peek(w);
    if (c !== COMMA && c !== close) throw syntaxError(w, `a comma or ${String.fromCharCode(close)}`);
    w.at++;
    if (c === COMMA) {
      if (close === OBJECT_END) skipKey(w);
      return false;
    }
    open.pop();
  }
}

function skipKey(w: ByteWindow): void {
  if (peek(w) !== QUOTE) throw syntaxError(w, "a key");
  skipString(w);
  expectByte(w, 58, "a colon");
}

function skipScalar(w: ByteWindow, c: number): void {
  if (c === QUOTE) skipString(w);
  else if (startsNumber(c)) readNumber(w);
  else if (!(readWord(w, "true") || readWord(w, "false") || readWord(w, "null"))) throw syntaxError(w, "a value");
}

/**
 * Passes over numbers and the commas between them, as far as it goes without another look at the source. It ends behind a number;
 * whether it passed any. Polygons are most of an instances file, so this loop decides how long reading one takes.
 */
function skipNumbers(w: ByteWindow): boolean {
  const { bytes } = w;
  let i = w.at;
  let passed = false;
  for (;;) {
    let c = bytes[i]!;
    if (c === 45) c = bytes[++i]!;
    if (c === 48) c = bytes[++i]!;
    else if (c >= 49 && c <= 57) {
      do c = bytes[++i]!;
      while (c >= 48 && c <= 57);
    } else return passed;
    if (c === 46) {
      c = bytes[++i]!;
      if (c < 48 || c > 57) return passed;
      do c = bytes[++i]!;
      while (c >= 48 && c <= 57);
    }
    // Whatever else belongs to a number, or its end in the next piece, is readNumber's.
    if (c !== COMMA && c !== LIST_END) return passed;
    w.at = i;
    passed = true;
    if (c === LIST_END) return true;
    c = bytes[++i]!;
    if (c === 32) i++;
  }
}

/**
 * Reads as much of a value as an error text shows: scalars whole, of objects the first keys, of lists up to six entries or the length.
 *
 * @param w stands before the value, white space allowed
 * @param depth lists around it
 * @returns a value that `show` pictures like the value itself
 */
export function readOutline(w: ByteWindow, depth = 0): unknown {
  const c = peek(w);
  if (c === QUOTE) return readString(w);
  if (startsNumber(c)) return readNumber(w);
  if (c === LIST) return readListOutline(w, depth);
  if (c === OBJECT) return readObjectOutline(w);
  if (readWord(w, "true")) return true;
  if (readWord(w, "false")) return false;
  if (readWord(w, "null")) return null;
  throw syntaxError(w, "a value");
}

const SHOWN_ENTRIES = 6;
const SHOWN_KEYS = 8;

function readListOutline(w: ByteWindow, depth: number): unknown[] {
  const entries: unknown[] = [];
  let count = 0;
  readList(w, () => {
    if (depth < 3 && count < SHOWN_ENTRIES) entries.push(readOutline(w, depth + 1));
    else skipValue(w);
    count++;
  });
  return count > entries.length ? new Array(count) : entries;
}

function readObjectOutline(w: ByteWindow): Record<string, unknown> {
  const keys = new Set<string>();
  readObject(w, () => {
    const key = readString(w);
    if (keys.size < SHOWN_KEYS) keys.add(key);
    expectByte(w, 58, "a colon");
    skipValue(w);
  });
  return Object.fromEntries(Array.from(keys, (key) => [key, undefined]));
}

/** Reads a list; `entry` reads one value. */
export function readList(w: ByteWindow, entry: () => void): void {
  readMembers(w, LIST, LIST_END, entry);
}

/** Reads an object; `member` reads a key, its colon and its value. */
export function readObject(w: ByteWindow, member: () => void): void {
  readMembers(w, OBJECT, OBJECT_END, member);
}

function readMembers(w: ByteWindow, open: number, close: number, member: () => void): void {
  expectByte(w, open, String.fromCharCode(open));
  if (peek(w) === close) {
    w.at++;
    return;
  }
  for (;;) {
    member();
    const c = peek(w);
    if (c !== COMMA && c !== close) throw syntaxError(w, `a comma or ${String.fromCharCode(close)}`);
    w.at++;
    if (c === close) return;
  }
}

/** Whether nothing but white space is left. */
export function expectEnd(w: ByteWindow): void {
  if (peek(w) >= 0) throw syntaxError(w, "the end of the file");
}
