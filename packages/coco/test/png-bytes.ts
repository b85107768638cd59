// Writes PNG files byte by byte, also such as claim what they do not have (PNG specification, 5 and 11.2).
import { deflateSync } from "node:zlib";
import { crc32ByTable } from "../src/download/crc32";

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32ByTable(body), body.length + 4);
  return out;
}

/** A black grey PNG of `width` × `height` with `bits` a pixel; it has the rows that it claims, or only `rows` of them. */
export function pngBytes(width: number, height: number, { bits = 1, rows = height } = {}): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = bits;
  const pixels = deflateSync(Buffer.alloc(rows * (1 + Math.ceil((width * bits) / 8))), { level: 1 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", new Uint8Array(0))]);
}
