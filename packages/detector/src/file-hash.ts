// The hash in a detector's file, by which a changed byte is noticed anywhere in it, header included: the SHA-256 of the whole file with
// zeros in the hash's own place. It knows the file's outer layout, and nothing of what is in it.
import { CheckpointError } from "@caddet/core";

/** What stands in the metadata, under `sha256`, until the hash is known. */
export const NO_HASH = "0".repeat(64);

// In JSON, quotes within a text are escaped: nothing but the metadata's own key looks like this.
const PLACE = /"sha256":"([0-9a-f]{64})"/;

// Where the hash stands, and what it says; undefined where there is none.
function findHash(bytes: Uint8Array): { readonly at: number; readonly hash: string } | undefined {
  if (bytes.byteLength < 8) return undefined;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (8 + length > bytes.byteLength) return undefined;
  // One character a byte, so that places in the text are places in the file.
  const found = PLACE.exec(new TextDecoder("latin1").decode(bytes.subarray(8, 8 + length)));
  return found ? { at: 8 + found.index + '"sha256":"'.length, hash: found[1]! } : undefined;
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Writes the hash over the zeros that `sha256` has in the metadata. */
export async function sealFile(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const { at } = findHash(bytes)!;
  bytes.set(new TextEncoder().encode(await digestOf(bytes)), at);
  return bytes;
}

/**
 * Checks that a detector's file is as it was written. Reading it, with `readDetectorFile` or `deserializeDetector`, does not: that is
 * synchronous, and hashing in JavaScript alone would take longer than all the rest.
 *
 * @param bytes the whole file
 * @param file its name, for error texts; default "model.safetensors"
 * @throws CheckpointError when the file is cut or changed; files of format caddet-detector/1 have no hash and pass
 * @example await verifyDetectorFile(bytes); const { detector } = deserializeDetector(bytes, { parts });
 */
export async function verifyDetectorFile(bytes: Uint8Array, file = "model.safetensors"): Promise<void> {
  const found = findHash(bytes);
  if (!found) {
    const start = new TextDecoder("latin1").decode(bytes.subarray(0, 100_000));
    if (start.includes('"format":"caddet-detector/1"')) return;
    throw new CheckpointError(`${file}: it has no hash. It is cut, changed, or was not written by caddet.`, { file });
  }
  const zeroed = Uint8Array.from(bytes);
  zeroed.set(new TextEncoder().encode(NO_HASH), found.at);
  const hash = await digestOf(zeroed);
  if (hash === found.hash) return;
  throw new CheckpointError(
    `${file}: its bytes have SHA-256 ${hash}, it says ${found.hash}. It was cut or changed; get it again.`,
    { file, hash, said: found.hash },
  );
}
