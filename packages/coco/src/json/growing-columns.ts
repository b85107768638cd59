// Columns that grow while a file is read, since it does not say how many entries it has. They double, and are cut to size at
// the end.

/** A typed array of the kinds that tables here are made of. */
export type Column = Float64Array | Int32Array | Uint32Array | Uint8Array;

function columnLike<T extends Column>(column: T, length: number): T {
  const shared = typeof SharedArrayBuffer !== "undefined" && column.buffer instanceof SharedArrayBuffer;
  const Kind = column.constructor as new (memory: number | SharedArrayBuffer) => T;
  return new Kind(shared ? new SharedArrayBuffer(length * column.BYTES_PER_ELEMENT) : length);
}

/**
 * A longer copy of a column.
 *
 * @param column any column; the copy is in shared memory if it is
 * @param length how many values the copy can hold
 */
export function grown<T extends Column>(column: T, length: number): T {
  const longer = columnLike(column, length);
  longer.set(column);
  return longer;
}

/**
 * The start of a column. It stays where it is if little memory is lost that way.
 *
 * @param column any column
 * @param length how many values to keep
 */
export function cut<T extends Column>(column: T, length: number): T {
  if (length === column.length) return column;
  const start = column.subarray(0, length) as T;
  if (length > column.length * 0.75) return start;
  const copy = columnLike(column, length);
  copy.set(start);
  return copy;
}
