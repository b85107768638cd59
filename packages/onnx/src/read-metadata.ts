// What an exported file says of itself, without a runtime: its metadata, once its hash has shown that it is whole. It reads the outer
// fields of the protobuf alone; the graph is skipped.
import { CheckpointError } from "@caddet/core";

const METADATA_FIELD = 14;
const text = new TextDecoder();

/** The bytes of one field, and where the next begins. */
interface Field {
  readonly number: number;
  readonly start: number;
  readonly value: Uint8Array;
  readonly end: number;
}

function readVarint(bytes: Uint8Array, from: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let at = from; at < Math.min(bytes.length, from + 7); at++) {
    value += (bytes[at]! & 127) * 128 ** (at - from);
    if (bytes[at]! < 128) return { value, end: at + 1 };
  }
  return undefined;
}

// Undefined where the bytes are no fields of integers and lengths, all that the outer level has.
function readFields(bytes: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const size = tag && readVarint(bytes, tag.end);
    const wire = (tag?.value ?? 0) & 7;
    if (!tag || !size || (wire !== 0 && wire !== 2)) return undefined;
    const end = wire === 0 ? size.end : size.end + size.value;
    if (end > bytes.length) return undefined;
    fields.push({ number: tag.value >>> 3, start: at, value: bytes.subarray(size.end, end), end });
    at = end;
  }
  return fields;
}

function readProperty({ value }: Field): readonly [string, string] {
  const [key, content] = readFields(value) ?? [];
  return [text.decode(key?.value), text.decode(content?.value)];
}

/**
 * Reads the metadata of an exported model, and checks that the file is whole.
 *
 * @param bytes the whole file
 * @param file its name, for error texts; default "model.onnx"
 * @returns texts by key: `mode`, `output`, `gate`, `version`, and where given `classes`, `model`, `size`, `normalise` as JSON
 * @throws CheckpointError when the file is cut, changed, or not written by `exportOnnx`
 * @example const { classes } = await readOnnxMetadata(await readFile("model.onnx")); JSON.parse(classes);
 */
export async function readOnnxMetadata(bytes: Uint8Array, file = "model.onnx"): Promise<Record<string, string>> {
  const fields = readFields(bytes);
  const properties = fields?.filter(({ number }) => number === METADATA_FIELD) ?? [];
  const { sha256, ...metadata } = Object.fromEntries(properties.map(readProperty));
  if (metadata.format !== "caddet-onnx/1" || sha256 === undefined) {
    throw new CheckpointError(
      `${file}: expected an ONNX file of format caddet-onnx/1, got ${metadata.format ?? "none"}. ` +
        "It is cut, or was not written by @caddet/onnx.",
      { file },
    );
  }
  const covered = Uint8Array.from(bytes.subarray(0, properties[properties.length - 1]!.start));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", covered));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hash === sha256) return metadata;
  throw new CheckpointError(
    `${file}: its bytes have SHA-256 ${hash}, it says ${sha256}. It was changed; export it again.`,
    {
      file,
      hash,
      sha256,
    },
  );
}
