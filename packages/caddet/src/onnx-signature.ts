// What an ONNX file takes and gives, read from its bytes without a runtime: names, types and shapes of the graph's inputs and outputs.
// Field numbers are those of onnx.proto; everything else in the file is passed over.
import { CheckpointError } from "@caddet/core";

/** An input or an output. */
export interface OnnxValue {
  readonly name: string;
  /** Such as "float32". */
  readonly type: string;
  /** Sizes, or names of sizes that are free. */
  readonly shape: readonly (number | string)[];
}

/** What a model takes and gives. */
export interface OnnxSignature {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

interface Field {
  readonly number: number;
  /** Of an integer. */
  readonly value: number;
  /** Of text or a message. */
  readonly bytes: Uint8Array;
}

const TYPES = [
  "",
  "float32",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "string",
  "bool",
  "float16",
  "float64",
];
const WIDTHS: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const decoder = new TextDecoder();

function varint(bytes: Uint8Array, from: number): [value: number, end: number] {
  let value = 0;
  for (let at = from; at < Math.min(bytes.length, from + 10); at++) {
    value += (bytes[at]! & 127) * 128 ** (at - from);
    if (bytes[at]! < 128) return [value, at + 1];
  }
  throw new RangeError("an integer has no end");
}

function* fieldsOf(bytes: Uint8Array): Generator<Field, void, undefined> {
  for (let at = 0; at < bytes.length; ) {
    const [tag, start] = varint(bytes, at);
    const [wire, number] = [tag % 8, Math.floor(tag / 8)];
    const [value, end] = wire === 0 || wire === 2 ? varint(bytes, start) : [0, start];
    const length = wire === 2 ? value : (WIDTHS[wire] ?? 0);
    if (end + length > bytes.length) throw new RangeError("a field has no end");
    yield { number, value, bytes: bytes.subarray(end, end + length) };
    at = end + length;
  }
}

const field = (bytes: Uint8Array, number: number) => [...fieldsOf(bytes)].find((one) => one.number === number);

const inside = (bytes: Uint8Array, ...path: readonly number[]) =>
  path.reduce((at, number) => field(at, number)?.bytes ?? new Uint8Array(0), bytes);

// ValueInfoProto: name 1, type 2, of which tensor_type 1 has elem_type 1 and shape 2, a list of dimensions 1.
function readValue(bytes: Uint8Array): OnnxValue {
  const tensor = inside(bytes, 2, 1);
  const dimensions = [...fieldsOf(inside(tensor, 2))].map((dimension) => {
    const [one] = fieldsOf(dimension.bytes);
    return one === undefined ? "?" : one.number === 1 ? one.value : decoder.decode(one.bytes);
  });
  return {
    name: decoder.decode(inside(bytes, 1)),
    type: TYPES[field(tensor, 1)?.value ?? 0] ?? "unknown",
    shape: dimensions,
  };
}

/**
 * Reads what a model takes and gives.
 *
 * @param bytes the whole file
 * @param file its name, for error texts
 * @returns inputs and outputs in the file's order
 * @throws CheckpointError when the bytes are no protobuf
 * @example onnxSignature(bytes, "model.onnx").inputs[0] // { name: "images", type: "float32", shape: ["batch", "height", "width", 3] }
 */
export function onnxSignature(bytes: Uint8Array, file: string): OnnxSignature {
  try {
    // ModelProto: graph 7. GraphProto: input 11, output 12.
    const graph = [...fieldsOf(inside(bytes, 7))];
    const values = (number: number) => graph.filter((one) => one.number === number).map((one) => readValue(one.bytes));
    return { inputs: values(11), outputs: values(12) };
  } catch (cause) {
    throw new CheckpointError(`${file} is no ONNX file, or is cut. Export it again.`, { file }, { cause });
  }
}
