// The polygons of annotations as columns: one array of coordinates for all of them. Run-length codes, which COCO has for crowds, are
// told apart but not read.
import { type ByteWindow, expectedCount, offsetOf, peek } from "../json/byte-window";
import { cut, grown } from "../json/growing-columns";
import { readNumberInto, startsNumber } from "../json/json-number";
import { readList, readOutline, skipValue } from "../json/json-value";
import { isRecord } from "../json/json-values";

/** Outlines of the annotations of a table: annotation `n` has the polygons `polygons[n] .. polygons[n + 1] - 1`. */
export interface SegmentationTable {
  /** `[C]`: `x, y, x, y, ...` of all polygons in source pixels. */
  readonly coordinates: Float64Array;
  /** `[P + 1]`: polygon `p` has the coordinates `starts[p] .. starts[p + 1] - 1`. */
  readonly starts: Uint32Array;
  /** `[N + 1]` */
  readonly polygons: Uint32Array;
  /** `[N]`: 1 where the file has a run-length code, which is not read; such an annotation has no polygons here. */
  readonly runLength: Uint8Array;
}

function isPolygon(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length % 2 > 0) return false;
  for (let i = 0; i < value.length; i++) if (!Number.isFinite(value[i])) return false;
  return true;
}

/** Whether `value` is what the format allows: polygons, a run-length object, or nothing. */
export function isSegmentation(value: unknown): boolean {
  if (value === undefined || value === null || isRecord(value)) return true;
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i++) if (!isPolygon(value[i])) return false;
  return true;
}

/** Collects segmentations, row by row; rows that are left out have none. */
export interface SegmentationBuilder {
  /** Takes a value that {@link isSegmentation} allows. */
  add(row: number, value: unknown): void;
  /** Reads a value from bytes; whether {@link isSegmentation} allows it. */
  read(row: number, w: ByteWindow): boolean;
  /** The table of `count` rows. */
  finish(count: number): SegmentationTable;
}

/** Makes an empty builder. */
export function segmentationBuilder(): SegmentationBuilder {
  let coordinates = new Float64Array(0);
  let starts = new Uint32Array(1);
  let polygons = new Uint32Array(1);
  let runLength = new Uint8Array(0);
  let rows = 0;
  let polygonCount = 0;
  let count = 0;
  // Offset in the file of the first one.
  let from = 0;

  // How much place to make; what is read from bytes tells, roughly, how much there will be.
  function capacityFor(needed: number, w: ByteWindow | undefined): number {
    return Math.max(needed, w ? expectedCount(w, needed, from) : needed * 2);
  }

  // Opens a row; a row that is opened again starts anew.
  function open(row: number, w?: ByteWindow): void {
    if (row === 0 && w) from = offsetOf(w);
    if (row >= runLength.length) {
      const capacity = capacityFor(row + 1, w);
      polygons = grown(polygons, capacity + 1);
      runLength = grown(runLength, capacity);
    }
    for (; rows <= row; rows++) polygons[rows] = polygonCount;
    polygonCount = polygons[row]!;
    count = starts[polygonCount]!;
    runLength[row] = 0;
  }

  function closePolygon(w?: ByteWindow): void {
    polygonCount++;
    if (polygonCount >= starts.length) starts = grown(starts, capacityFor(polygonCount + 1, w));
    starts[polygonCount] = count;
  }

  function reserve(more: number, w?: ByteWindow): void {
    const needed = count + more;
    if (needed > coordinates.length) coordinates = grown(coordinates, capacityFor(needed, w));
  }

  // Whether it is one; coordinates behind a value that is none are passed over.
  function readPolygon(w: ByteWindow): boolean {
    if (peek(w) !== 91) {
      skipValue(w);
      return false;
    }
    const first = count;
    let valid = true;
    readList(w, () => {
      if (!valid || !startsNumber(peek(w))) {
        valid = false;
        skipValue(w);
        return;
      }
      reserve(1, w);
      readNumberInto(w, coordinates, count);
      valid = Number.isFinite(coordinates[count]);
      count++;
    });
    return valid && (count - first) % 2 === 0;
  }

  return {
    add(row, value) {
      open(row);
      if (isRecord(value)) runLength[row] = 1;
      for (const polygon of Array.isArray(value) ? (value as number[][]) : []) {
        reserve(polygon.length);
        coordinates.set(polygon, count);
        count += polygon.length;
        closePolygon();
      }
    },
    read(row, w) {
      open(row, w);
      const c = peek(w);
      if (c !== 91) {
        if (c === 123) {
          runLength[row] = 1;
          skipValue(w);
          return true;
        }
        return readOutline(w) === null;
      }
      let valid = true;
      readList(w, () => {
        if (!readPolygon(w)) valid = false;
        else closePolygon(w);
      });
      return valid;
    },
    finish(total) {
      if (total > 0 && rows < total) open(total - 1);
      polygons = grown(polygons, Math.max(polygons.length, total + 1));
      polygons[total] = polygonCount;
      return {
        coordinates: cut(coordinates, count),
        starts: cut(starts, polygonCount + 1),
        polygons: cut(polygons, total + 1),
        runLength: cut(grown(runLength, Math.max(runLength.length, total)), total),
      };
    },
  };
}

/**
 * The segmentations of some rows.
 *
 * @param table all of them
 * @param rows `[N]`: which to take, rising
 * @returns the table itself where these are all rows, else copies
 */
export function takeSegmentations(table: SegmentationTable, rows: ArrayLike<number>): SegmentationTable {
  if (rows.length === table.runLength.length) return table;
  const polygons = new Uint32Array(rows.length + 1);
  const runLength = new Uint8Array(rows.length);
  let coordinateCount = 0;
  for (let n = 0; n < rows.length; n++) {
    const first = table.polygons[rows[n]!]!;
    const last = table.polygons[rows[n]! + 1]!;
    runLength[n] = table.runLength[rows[n]!]!;
    polygons[n + 1] = polygons[n]! + last - first;
    coordinateCount += table.starts[last]! - table.starts[first]!;
  }
  const starts = new Uint32Array(polygons[rows.length]! + 1);
  const coordinates = new Float64Array(coordinateCount);
  let p = 0;
  let c = 0;
  for (let n = 0; n < rows.length; n++) {
    const last = table.polygons[rows[n]! + 1]!;
    for (let old = table.polygons[rows[n]!]!; old < last; old++) {
      const polygon = table.coordinates.subarray(table.starts[old], table.starts[old + 1]);
      coordinates.set(polygon, c);
      c += polygon.length;
      starts[++p] = c;
    }
  }
  return { coordinates, starts, polygons, runLength };
}
