// ONNX's messages (onnx.proto3, IR version 8) as plain data, and how they become bytes. Only what exported detectors need: no
// sparse tensors, functions or external data.
import {
  joinMessage,
  type Message,
  message,
  writeBytes,
  writeFloat,
  writeInt,
  writeMessage,
  writeText,
} from "@caddet/core/protobuf";

/** IR version 8 and operator set 17 belong together (ONNX 1.12): what runtimes of the last years take. */
const IR_VERSION = 8;
const OPSET = 17;

/** Element types by ONNX's numbers. */
export const ELEMENT = { float: 1, int32: 6, int64: 7, bool: 9, double: 11 } as const;

/** The name of an element type. */
export type ElementType = keyof typeof ELEMENT;

/** A constant tensor. */
export interface TensorData {
  readonly type: "float" | "int64";
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** A number or text for a dimension; texts name unknown sizes. */
export type Dimension = number | string;

/** A tensor's name, type and shape; without a shape even the rank is open. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly shape?: readonly Dimension[];
}

/** A setting of a node. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly tensor: TensorData }
  | { readonly graph: GraphData };

/** One operation. */
export interface NodeData {
  readonly name: string;
  readonly type: string;
  /** Empty texts stand for optional inputs that are left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A graph or a branch of one. */
export interface GraphData {
  readonly name: string;
  readonly nodes: readonly NodeData[];
  readonly initializers: ReadonlyMap<string, TensorData>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly values: readonly ValueInfo[];
}

/** A whole file. */
export interface ModelData {
  readonly producer: string;
  readonly version: string;
  readonly doc: string;
  readonly graph: GraphData;
}

function encodeTensor(name: string | undefined, { type, shape, data }: TensorData): Message {
  const out = message();
  for (const size of shape) writeInt(out, 1, size);
  writeInt(out, 2, ELEMENT[type]);
  if (name !== undefined) writeText(out, 8, name);
  writeBytes(out, 9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return out;
}

function encodeAttribute(name: string, attribute: Attribute): Message {
  const out = message();
  writeText(out, 1, name);
  if ("float" in attribute) {
    writeFloat(out, 2, attribute.float);
    writeInt(out, 20, 1);
  } else if ("int" in attribute) {
    writeInt(out, 3, attribute.int);
    writeInt(out, 20, 2);
  } else if ("text" in attribute) {
    writeText(out, 4, attribute.text);
    writeInt(out, 20, 3);
  } else if ("tensor" in attribute) {
    writeMessage(out, 5, encodeTensor(undefined, attribute.tensor));
    writeInt(out, 20, 4);
  } else if ("graph" in attribute) {
    writeMessage(out, 6, encodeGraph(attribute.graph));
    writeInt(out, 20, 5);
  } else {
    for (const value of attribute.ints) writeInt(out, 8, value);
    writeInt(out, 20, 7);
  }
  return out;
}

function encodeNode({ name, type, inputs, outputs, attributes }: NodeData): Message {
  const out = message();
  for (const input of inputs) writeText(out, 1, input);
  for (const output of outputs) writeText(out, 2, output);
  writeText(out, 3, name);
  writeText(out, 4, type);
  for (const [key, attribute] of Object.entries(attributes)) writeMessage(out, 5, encodeAttribute(key, attribute));
  return out;
}

function encodeValue({ name, type, shape }: ValueInfo): Message {
  const tensor = message();
  writeInt(tensor, 1, ELEMENT[type]);
  if (shape) {
    const dimensions = message();
    for (const size of shape) {
      const dimension = message();
      if (typeof size === "number") writeInt(dimension, 1, size);
      else writeText(dimension, 2, size);
      writeMessage(dimensions, 1, dimension);
    }
    writeMessage(tensor, 2, dimensions);
  }
  const kind = message();
  writeMessage(kind, 1, tensor);
  const out = message();
  writeText(out, 1, name);
  writeMessage(out, 2, kind);
  return out;
}

function encodeGraph({ name, nodes, initializers, inputs, outputs, values }: GraphData): Message {
  const out = message();
  for (const node of nodes) writeMessage(out, 1, encodeNode(node));
  writeText(out, 2, name);
  for (const [key, tensor] of initializers) writeMessage(out, 5, encodeTensor(key, tensor));
  for (const value of inputs) writeMessage(out, 11, encodeValue(value));
  for (const value of outputs) writeMessage(out, 12, encodeValue(value));
  for (const value of values) writeMessage(out, 13, encodeValue(value));
  return out;
}

function encodeProperty(key: string, value: string): Message {
  const out = message();
  writeText(out, 1, key);
  writeText(out, 2, value);
  return out;
}

/**
 * Writes a model. The metadata come last, and the last of them is the SHA-256 of all bytes in front of it.
 *
 * @param model producer and graph
 * @param metadata texts by key
 * @returns the file's bytes
 * @example await encodeModel({ producer, version, doc, graph }, { mode: "dynamic" })
 */
export async function encodeModel(
  { producer, version, doc, graph }: ModelData,
  metadata: Readonly<Record<string, string>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = message();
  writeInt(out, 1, IR_VERSION);
  writeText(out, 2, producer);
  writeText(out, 3, version);
  writeText(out, 6, doc);
  writeMessage(out, 7, encodeGraph(graph));
  const opset = message();
  writeInt(opset, 2, OPSET);
  writeMessage(out, 8, opset);
  for (const [key, value] of Object.entries(metadata)) writeMessage(out, 14, encodeProperty(key, value));
  const covered = out.length;
  const hash = new Uint8Array(64); // written once the bytes are there
  const property = message();
  writeText(property, 1, "sha256");
  writeBytes(property, 2, hash);
  writeMessage(out, 14, property);
  const bytes = joinMessage(out);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(0, covered)));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  bytes.set(new TextEncoder().encode(hex), bytes.length - hash.length);
  return bytes;
}
