// The entries of a results file straight from its bytes into columns, whole or in part; no object is made for an entry.
// Two halves can be read at once: the reader of the second one starts where findResultStart guesses an entry, the reader of the
// first one goes on to the first entry at or beyond that offset. Where it stops there, the guess is proven and the halves
// are put together; where it does not, or when the second half failed, it goes on from `next` (see ResultsPart).
import type { ByteSource } from "../json/byte-source";
import { type ByteWindow, END, offsetOf, openWindow, peek, refill, syntaxError } from "../json/byte-window";
import { columnOf, type EntryTable, entryOf, entryTable, readEntry } from "../json/entry-table";
import { expectEnd, readOutline } from "../json/json-value";
import { checkedResult, noResultList } from "./result-entry";
import type { CocoResults } from "./results";

/** Options of {@link readResultsPart}. */
export interface ResultsPartOptions {
  /** The file's name, for error texts. */
  readonly file: string;
  /** Offset in the file of the source's first byte, default 0. Above 0 it is that of an entry. */
  readonly start?: number;
  /** Ends before the first entry that starts at or beyond this offset; default: where the list ends. */
  readonly limit?: number;
  /** Number of the first entry, for error texts, default 0. */
  readonly entry?: number;
  /** Whether threads share the columns' memory, default false. */
  readonly shared?: boolean;
  /** Bytes held at once, default 256 KiB. */
  readonly window?: number;
}

/** Some entries of a results file. */
export interface ResultsPart {
  readonly results: CocoResults;
  /** Offset in the file of the first entry that was not read; -1 when the list and the file ended. */
  readonly next: number;
}

const FIELDS = { image_id: "number", category_id: "number", bbox: "box", score: "number" } as const;
const ALL_FIELDS = 0b1111;

function isPlain({ fields, columns: [images, categories, boxes, scores] }: EntryTable, row: number): boolean {
  // Zero for finite numbers, else NaN.
  const at = row * 4;
  const zero = (boxes![at]! + boxes![at + 1]! + boxes![at + 2]! + boxes![at + 3]! + scores![row]!) * 0;
  return (
    fields === ALL_FIELDS && Number.isSafeInteger(images![row]) && Number.isSafeInteger(categories![row]) && zero === 0
  );
}

function readRow(w: ByteWindow, table: EntryTable, file: string, first: number): void {
  const row = table.count;
  readEntry(w, table);
  if (isPlain(table, row)) return;
  // The sum of large numbers may overflow; the check that makes the words decides.
  checkedResult(entryOf(table, row), file, first + row);
}

/**
 * Reads the entries of a results file, or of a part of it.
 *
 * @param source gives the file's bytes from `start` on
 * @param options name, range and memory
 * @returns the detections in the file's order, and where the next one starts
 * @throws DatasetError at the first entry that is wrong, or where the text is no JSON
 * @example readResultsPart(byteSource(bytes), { file: "results.json" }).results.scores.length
 */
export function readResultsPart(source: ByteSource, options: ResultsPartOptions): ResultsPart {
  const { file, start = 0, limit = Number.POSITIVE_INFINITY, entry: first = 0, shared = false } = options;
  const w = openWindow(source, options);
  const table = entryTable(FIELDS, { shared });
  let next = -1;
  if (start > 0 || openList(w, file)) {
    for (;;) {
      peek(w);
      if (offsetOf(w) >= limit) {
        next = offsetOf(w);
        break;
      }
      readRow(w, table, file, first);
      const c = peek(w);
      if (c !== 44 && c !== 93) throw syntaxError(w, "a comma or ]");
      w.at++;
      if (c === 93) {
        expectEnd(w);
        break;
      }
    }
  }
  const results = {
    imageIds: columnOf(table, "image_id"),
    categoryIds: columnOf(table, "category_id"),
    boxes: columnOf(table, "bbox"),
    scores: columnOf(table, "score"),
  };
  return { results, next };
}

// Goes to the first entry; false for an empty list.
function openList(w: ByteWindow, file: string): boolean {
  const c = peek(w);
  if (c !== 91) throw c === END ? syntaxError(w, "a list") : noResultList(readOutline(w), file);
  w.at++;
  if (peek(w) !== 93) return true;
  w.at++;
  expectEnd(w);
  return false;
}

/**
 * Guesses where an entry starts: behind a `}`, a comma and white space. It may also be inside a text or a nested value.
 *
 * @param source gives the file's bytes from `start` on
 * @param options the file's name and `start`
 * @returns offset in the file of a `{`, -1 where there is none
 * @example findResultStart(openFileSource("results.json", 1000), { file: "results.json", start: 1000 })
 */
export function findResultStart(source: ByteSource, options: Pick<ResultsPartOptions, "file" | "start">): number {
  const w = openWindow(source, options);
  for (;;) {
    const { bytes, end } = w;
    while (w.at < end && bytes[w.at] !== 125) w.at++;
    if (w.at === end && !refill(w)) return -1;
    if (w.bytes[w.at] !== 125) continue;
    w.at++;
    if (peek(w) !== 44) continue;
    w.at++;
    if (peek(w) === 123) return offsetOf(w);
  }
}
