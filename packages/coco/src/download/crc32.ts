// CRC-32 of zip files (ISO 3309, polynomial 0xEDB88320 reflected), continued over chunks. Node's own where it has one (from 20.15).
import * as zlib from "node:zlib";

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 by table; what {@link crc32} does where Node has none. */
export function crc32ByTable(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (let at = 0; at < bytes.length; at++) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * CRC-32.
 *
 * @param bytes the next bytes
 * @param previous the value of those before, default 0
 * @returns an integer from 0 to 2^32 - 1
 */
export const crc32: (bytes: Uint8Array, previous?: number) => number = zlib.crc32 ?? crc32ByTable;
