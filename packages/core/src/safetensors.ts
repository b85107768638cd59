// Reads and writes safetensors (https://github.com/huggingface/safetensors): u64 header length, JSON header, raw little-endian data.
// Bytes in, bytes out; files are the caller's. Every size that comes from the bytes is checked before it is used.
import { CheckpointError } from "./errors";

/** The element types that are read; F32, I32, U8 and I64 are what @caddet writes. */
export type SafetensorsType = "F32" | "I32" | "U8" | "I64";

/** One stored array. */
export interface StoredArray {
  readonly dtype: SafetensorsType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array | BigInt64Array;
}

/** A parsed file: arrays by name and the free-form metadata. */
export interface Safetensors {
  readonly arrays: Map<string, StoredArray>;
  readonly metadata: Readonly<Record<string, string>>;
}

const BYTES: Record<SafetensorsType, number> = { F32: 4, I32: 4, U8: 1, I64: 8 };
const MAX_HEADER = 100_000_000;

function typedArray(dtype: SafetensorsType, buffer: ArrayBuffer): StoredArray["data"] {
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer);
    case "I32":
      return new Int32Array(buffer);
    case "U8":
      return new Uint8Array(buffer);
    case "I64":
      return new BigInt64Array(buffer);
  }
}

function fail(name: string, what: string): never {
  throw new CheckpointError(`${name}: ${what} The file is not a whole safetensors file; get it again.`, { file: name });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array, file: string): { header: Record<string, unknown>; start: number } {
  if (bytes.byteLength < 8) fail(file, `${bytes.byteLength} bytes are too few for a header.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > bytes.byteLength) {
    fail(file, `The header claims ${length} bytes, the file has ${bytes.byteLength}.`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (cause) {
    throw new CheckpointError(`${file}: the header is not JSON. Get the file again.`, { file }, { cause });
  }
  if (!isRecord(header)) fail(file, "The header is not an object.");
  return { header, start: 8 + length };
}

function parseEntry(name: string, entry: unknown, available: number, file: string) {
  if (!isRecord(entry)) fail(file, `The entry of "${name}" is not an object.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !(dtype in BYTES)) {
    fail(file, `"${name}" has type ${String(dtype)}; read are ${Object.keys(BYTES).join(", ")}.`);
  }
  const natural = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(natural)) fail(file, `"${name}" has no valid shape.`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(natural)) {
    fail(file, `"${name}" has no valid offsets.`);
  }
  const [from, to] = offsets as [number, number];
  const size = (shape as number[]).reduce((a, b) => a * b, 1) * BYTES[dtype as SafetensorsType];
  if (to - from !== size || to > available) {
    fail(file, `"${name}" needs ${size} bytes at ${from}..${to}, but ${available} bytes of data are there.`);
  }
  return { dtype: dtype as SafetensorsType, shape: shape as number[], from, to };
}

/**
 * Parses a safetensors file.
 *
 * @param bytes the whole file
 * @param file its name, for error texts
 * @returns arrays by name (copies, free of `bytes`) and the metadata
 * @throws CheckpointError when the bytes are cut, inconsistent or of a type that is not read
 * @example parseSafetensors(await readFile("weights.safetensors")).arrays.get("stem.weight")
 */
export function parseSafetensors(bytes: Uint8Array, file = "safetensors"): Safetensors {
  const { header, start } = parseHeader(bytes, file);
  const arrays = new Map<string, StoredArray>();
  const available = bytes.byteLength - start;
  let covered = 0;
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isRecord(entry)) fail(file, "The metadata is not an object.");
      metadata = Object.fromEntries(Object.entries(entry).map(([k, v]) => [k, String(v)]));
      continue;
    }
    const { dtype, shape, from, to } = parseEntry(name, entry, available, file);
    // Overlapping arrays would let a small file fill the memory.
    covered += to - from;
    if (covered > available) break;
    arrays.set(name, {
      dtype,
      shape,
      data: typedArray(dtype, new Uint8Array(bytes.subarray(start + from, start + to)).buffer),
    });
  }
  if (covered !== available) fail(file, `The arrays do not make up the ${available} bytes of data.`);
  return { arrays, metadata };
}

/**
 * Writes a safetensors file.
 *
 * @param arrays arrays by name, in the order in which they are laid out
 * @param metadata strings kept beside the arrays
 * @returns the file's bytes; equal arguments give equal bytes
 * @throws CheckpointError when an array's length does not fit its shape, or its name is "__metadata__"
 * @example serializeSafetensors(new Map([["w", { dtype: "F32", shape: [1], data: new Float32Array(1) }]]))
 */
export function serializeSafetensors(
  arrays: ReadonlyMap<string, StoredArray>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let at = 0;
  for (const [name, { dtype, shape, data }] of arrays) {
    if (name === "__metadata__") {
      throw new CheckpointError(`An array cannot be named "${name}", which holds the metadata; rename it.`, { name });
    }
    const size = shape.reduce((a, b) => a * b, 1) * BYTES[dtype];
    if (size !== data.byteLength) {
      throw new CheckpointError(`"${name}" of shape [${shape}] needs ${size} bytes, got ${data.byteLength}.`, { name });
    }
    header[name] = { dtype, shape, data_offsets: [at, at + size] };
    at += size;
  }
  const head = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(head.length / 8) * 8;
  const out = new Uint8Array(8 + padded + at).fill(0x20, 8, 8 + padded);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(head, 8);
  let to = 8 + padded;
  for (const { data } of arrays.values()) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), to);
    to += data.byteLength;
  }
  return out;
}
