// Reads the entries of a JSON list, objects of a few known fields, into columns, one row an entry. It does not judge: an entry with
// fields that a column cannot hold is given back as a value (entryOf), for the checks that also see values of JSON.parse.
import { type ByteWindow, expectedCount, offsetOf, peek, readWord, syntaxError } from "./byte-window";
import { cut, grown } from "./growing-columns";
import { readNumberInto, startsNumber } from "./json-number";
import { type KeyTable, keyTable, readKey, readString } from "./json-text";
import { readOutline, skipValue } from "./json-value";

/** A field of an entry: a number, 0/1 or a boolean, a list of four numbers, a text; "list" is read by the table's `list`. */
export type FieldKind = "number" | "flag" | "box" | "text" | "list";

/** Columns under construction. */
export interface EntryTable {
  readonly keys: KeyTable;
  readonly kinds: readonly FieldKind[];
  /** Rows so far. */
  count: number;
  /** Offset in the file of the first entry. */
  from: number;
  /** Rows that the columns have place for. */
  capacity: number;
  /** `[capacity]` for each key, `[capacity * 4]` for a box; empty for texts and lists. */
  readonly columns: Float64Array[];
  /** `[count]`: the text field; a row without one is a hole. */
  readonly texts: string[];
  /** Which fields of the last entry are in the columns: bit `k` for key `k`. */
  fields: number;
  /** Fields of the last entry that no column can hold; undefined where there are none. */
  odd: Map<string, unknown> | undefined;
  /** The last entry where it is no object. */
  instead: { readonly value: unknown } | undefined;
  readonly list: EntryTableOptions["list"];
}

/** Options of {@link entryTable}. */
export interface EntryTableOptions {
  /** Reads the value of the "list" field of a row, and says whether it is one; without it the value is passed over. */
  readonly list?: ((w: ByteWindow, row: number) => boolean) | undefined;
  /** Whether threads share the columns' memory, default false. */
  readonly shared?: boolean;
}

/**
 * Makes an empty table.
 *
 * @param fields the names to read and what they hold; at most one is a text and one a list
 * @param options what reads a list, and the columns' memory
 */
export function entryTable(fields: Readonly<Record<string, FieldKind>>, options: EntryTableOptions = {}): EntryTable {
  const { list, shared = false } = options;
  const kinds = Object.values(fields);
  return {
    keys: keyTable(Object.keys(fields)),
    kinds,
    count: 0,
    from: 0,
    capacity: 0,
    columns: kinds.map(() => (shared ? new Float64Array(new SharedArrayBuffer(0)) : new Float64Array(0))),
    texts: [],
    fields: 0,
    odd: undefined,
    instead: undefined,
    list,
  };
}

function widthOf(kind: FieldKind): number {
  if (kind === "box") return 4;
  return kind === "text" || kind === "list" ? 0 : 1;
}

function reserve(w: ByteWindow, table: EntryTable): void {
  const { columns, kinds, count } = table;
  if (count < table.capacity) return;
  if (count === 0) table.from = offsetOf(w);
  table.capacity = expectedCount(w, count, table.from);
  for (let k = 0; k < kinds.length; k++) columns[k] = grown(columns[k]!, table.capacity * widthOf(kinds[k]!));
}

/** The column of a key, cut to the rows that were read. */
export function columnOf(table: EntryTable, name: string): Float64Array {
  const k = table.keys.names.indexOf(name);
  return cut(table.columns[k]!, table.count * widthOf(table.kinds[k]!));
}

/**
 * Reads one entry into the next row.
 *
 * @param w stands before the entry
 * @param table gets the row; `fields`, `odd` and `instead` tell how complete it is
 */
export function readEntry(w: ByteWindow, table: EntryTable): void {
  reserve(w, table);
  const row = table.count++;
  table.fields = 0;
  table.odd = undefined;
  table.instead = undefined;
  if (peek(w) !== 123) {
    table.instead = { value: readOutline(w) };
    return;
  }
  w.at++;
  if (peek(w) === 125) {
    w.at++;
    return;
  }
  for (;;) {
    const key = readKey(w, table.keys);
    if (key < 0) skipValue(w);
    else readField(w, table, key, row);
    const c = peek(w);
    if (c !== 44 && c !== 125) throw syntaxError(w, "a comma or }");
    w.at++;
    if (c === 125) return;
  }
}

// A key that comes twice counts as its last, as in JSON.parse.
function readField(w: ByteWindow, table: EntryTable, key: number, row: number): void {
  const value = readPlain(w, table, key, row);
  const bit = 1 << key;
  if (value === undefined) {
    table.fields |= bit;
    table.odd?.delete(table.keys.names[key]!);
  } else {
    table.fields &= ~bit;
    table.odd ??= new Map();
    table.odd.set(table.keys.names[key]!, value);
  }
}

// Reads a field into its column, or gives what stands there instead.
function readPlain(w: ByteWindow, table: EntryTable, key: number, row: number): unknown {
  const kind = table.kinds[key]!;
  const c = peek(w);
  if (kind === "box") {
    if (c === 91) return readBox(w, table.columns[key]!, row * 4);
  } else if (kind === "text") {
    if (c === 34) {
      table.texts[row] = readString(w);
      return undefined;
    }
  } else if (kind === "list") {
    if (table.list) return table.list(w, row) ? undefined : false;
    skipValue(w);
    return undefined;
  } else if (startsNumber(c)) {
    readNumberInto(w, table.columns[key]!, row);
    return undefined;
  } else if (kind === "flag" && (c === 116 || c === 102)) {
    const on = readWord(w, "true");
    if (!on && !readWord(w, "false")) throw syntaxError(w, "a value");
    table.columns[key]![row] = on ? 1 : 0;
    return undefined;
  }
  return readOutline(w);
}

// Four numbers into the column, or what the list is instead.
function readBox(w: ByteWindow, column: Float64Array, at: number): unknown[] | undefined {
  let list: unknown[] | undefined;
  w.at++;
  if (peek(w) === 93) {
    w.at++;
    return [];
  }
  for (let count = 1; ; count++) {
    if (list === undefined && count <= 4 && startsNumber(peek(w))) {
      readNumberInto(w, column, at + count - 1);
    } else {
      list ??= Array.from(column.subarray(at, at + count - 1));
      if (list.length < 6) list.push(readOutline(w, 1));
      else skipValue(w);
    }
    const c = peek(w);
    if (c !== 44 && c !== 93) throw syntaxError(w, "a comma or ]");
    w.at++;
    if (c === 44) continue;
    if (list === undefined && count === 4) return undefined;
    list ??= Array.from(column.subarray(at, at + count));
    return count > list.length ? new Array(count) : list;
  }
}

/** The fields of a row as the value that JSON.parse would give, without those that nobody asked for. */
export function entryOf(table: EntryTable, row: number): unknown {
  if (table.instead) return table.instead.value;
  const entry: Record<string, unknown> = {};
  table.keys.names.forEach((name, k) => {
    if (!(table.fields & (1 << k))) return;
    const kind = table.kinds[k]!;
    const column = table.columns[k]!;
    if (kind === "box") entry[name] = Array.from(column.subarray(row * 4, row * 4 + 4));
    else if (kind === "text") entry[name] = table.texts[row];
    else if (kind !== "list") entry[name] = column[row];
  });
  for (const [name, value] of table.odd ?? []) entry[name] = value;
  return entry;
}
