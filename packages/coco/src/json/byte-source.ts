// Where a JSON reader takes its bytes from, piece by piece and synchronously. Bytes in memory are one such source, a file
// (file-source.ts, Node only) the other.

/** Gives bytes in their order. */
export interface ByteSource {
  /** How many bytes there are, where that is known; a hint. */
  readonly size?: number;
  /** Fills `into` from its start and returns how many bytes that were; 0 at the end only. */
  read(into: Uint8Array): number;
}

/**
 * Bytes in memory as a source.
 *
 * @param bytes all of them; they are not changed
 * @returns a source that can be read once
 * @example byteSource(new TextEncoder().encode("[]"))
 */
export function byteSource(bytes: Uint8Array): ByteSource {
  let at = 0;
  return {
    size: bytes.length,
    read(into) {
      const piece = bytes.subarray(at, at + into.length);
      into.set(piece);
      at += piece.length;
      return piece.length;
    },
  };
}
