// The wire format of Protocol Buffers, as far as ONNX models and TensorBoard events need it: varints, floats, and fields with a length.
// Only writing. A message is a list of byte ranges, so that weights are not copied before the whole file is put together.
// Source: https://protobuf.dev/programming-guides/encoding/.

/** A message under construction: its bytes in order, and how many they are. */
export interface Message {
  readonly chunks: Uint8Array[];
  length: number;
}

const text = new TextEncoder();

/** An empty message. */
export const message = (): Message => ({ chunks: [], length: 0 });

function append(to: Message, bytes: Uint8Array): void {
  to.chunks.push(bytes);
  to.length += bytes.length;
}

// Seven bits a byte, low ones first; negative numbers as 64-bit two's complement.
function varint(value: number): number[] {
  const bytes: number[] = [];
  if (value < 0) {
    for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
      if (rest < 128n) return [...bytes, Number(rest)];
      bytes.push(Number(rest & 127n) | 128);
    }
  }
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

/**
 * Adds a field of an integer or an enum.
 *
 * @param to the message
 * @param field its number
 * @param value a safe integer
 * @example writeInt(model, 1, 8)
 */
export function writeInt(to: Message, field: number, value: number): void {
  append(to, Uint8Array.from([...varint(field * 8), ...varint(value)]));
}

/**
 * Adds a float32 field.
 *
 * @param to the message
 * @param field its number
 * @param value rounded to float32
 */
export function writeFloat(to: Message, field: number, value: number): void {
  const bytes = new Uint8Array([...varint(field * 8 + 5), 0, 0, 0, 0]);
  new DataView(bytes.buffer).setFloat32(bytes.length - 4, value, true);
  append(to, bytes);
}

/**
 * Adds a float64 field.
 *
 * @param to the message
 * @param field its number
 * @param value any number
 */
export function writeDouble(to: Message, field: number, value: number): void {
  const bytes = new Uint8Array([...varint(field * 8 + 1), 0, 0, 0, 0, 0, 0, 0, 0]);
  new DataView(bytes.buffer).setFloat64(bytes.length - 8, value, true);
  append(to, bytes);
}

/**
 * Adds a packed field of float64 numbers.
 *
 * @param to the message
 * @param field its number
 * @param values any numbers
 */
export function writeDoubles(to: Message, field: number, values: ArrayLike<number>): void {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat64(i * 8, values[i]!, true);
  writeBytes(to, field, bytes);
}

/**
 * Adds a field of bytes, which are kept by reference.
 *
 * @param to the message
 * @param field its number
 * @param bytes not to be changed until the file is joined
 */
export function writeBytes(to: Message, field: number, bytes: Uint8Array): void {
  append(to, Uint8Array.from([...varint(field * 8 + 2), ...varint(bytes.length)]));
  append(to, bytes);
}

/**
 * Adds a field of text in UTF-8.
 *
 * @param to the message
 * @param field its number
 * @param value any text
 */
export function writeText(to: Message, field: number, value: string): void {
  writeBytes(to, field, text.encode(value));
}

/**
 * Adds a message as a field of another.
 *
 * @param to the outer message
 * @param field its number
 * @param inner complete; its bytes are kept by reference
 */
export function writeMessage(to: Message, field: number, inner: Message): void {
  append(to, Uint8Array.from([...varint(field * 8 + 2), ...varint(inner.length)]));
  for (const chunk of inner.chunks) append(to, chunk);
}

/**
 * Puts a message's bytes together.
 *
 * @param from the message
 * @returns its bytes, a copy
 * @example await writeFile("model.onnx", joinMessage(model))
 */
export function joinMessage(from: Message): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(from.length);
  let at = 0;
  for (const chunk of from.chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
