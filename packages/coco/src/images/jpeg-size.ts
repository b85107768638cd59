// Width and height from a JPEG's frame header (ITU-T T.81, B.2.2), so that a decoder need not open the file twice.
// Decodes nothing and judges nothing: what it cannot follow is left to the decoder.
import type { Size } from "@caddet/core/base";

// Start-of-frame markers are C0..CF but for C4 (Huffman tables), C8 (reserved) and CC (arithmetic conditioning).
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/**
 * Reads the size that a JPEG states.
 *
 * @param bytes the file or its beginning
 * @returns pixels as stored, before any EXIF orientation; undefined where the bytes are no JPEG or have no frame
 *   header with a size
 * @example jpegSize(await readFile("street.jpg"))
 */
export function jpegSize(bytes: Uint8Array): Size | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  let at = 2;
  while (at + 8 < bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    // Fill bytes before a marker.
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (isFrame(marker)) {
      const height = bytes[at + 5]! * 256 + bytes[at + 6]!;
      const width = bytes[at + 7]! * 256 + bytes[at + 8]!;
      return height > 0 && width > 0 ? { height, width } : undefined;
    }
    const length = bytes[at + 2]! * 256 + bytes[at + 3]!;
    // Scan data and markers without a length come only after the frame header in a file that can be decoded.
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda) || length < 2) return undefined;
    at += 2 + length;
  }
  return undefined;
}
