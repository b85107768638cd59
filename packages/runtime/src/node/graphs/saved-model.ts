// A TensorFlow graph as the bytes of a SavedModel without variables: the file that the C API loads a session from. Only writing.
// Source: tensorflow/core/protobuf/{saved_model,meta_graph}.proto and framework/{graph,node_def,attr_value,tensor}.proto.

/** The only tag of the model, which loading asks for. */
export const TAG = "serve";

// Of TensorFlow 2.9, which tfjs-node 4.22 is made for.
const PRODUCER = 1087;

const text = new TextEncoder();

/** A message under construction. */
class Message {
  readonly chunks: Uint8Array[] = [];
  length = 0;

  bytes(field: number, value: Uint8Array): this {
    this.#append(Uint8Array.from([...varint(field * 8 + 2), ...varint(value.length)]));
    this.#append(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, text.encode(value));
  }

  int(field: number, value: number): this {
    this.#append(Uint8Array.from([...varint(field * 8), ...varint(value)]));
    return this;
  }

  float(field: number, value: number): this {
    this.#append(Uint8Array.from([...varint(field * 8 + 5), ...new Uint8Array(Float32Array.of(value).buffer)]));
    return this;
  }

  message(field: number, inner: Message): this {
    this.#append(Uint8Array.from([...varint(field * 8 + 2), ...varint(inner.length)]));
    for (const chunk of inner.chunks) this.#append(chunk);
    return this;
  }

  join(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  #append(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }
}

// Negative numbers take all 64 bits.
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

const message = () => new Message();

function shapeOf(shape: readonly number[]): Message {
  const proto = message();
  for (const size of shape) proto.message(2, message().int(1, size));
  return proto;
}

/** One attribute of a node, encoded. */
export type Attribute = Message;

/** Fields of AttrValue, and of its lists, by kind. */
const FIELDS = { string: 2, int: 3, float: 4, bool: 5, type: 6, shape: 7 } as const;

/** What an attribute's values are. */
export type AttributeKind = keyof typeof FIELDS;

function append(to: Message, kind: AttributeKind, value: unknown): void {
  const field = FIELDS[kind];
  if (kind === "string") to.text(field, value as string);
  else if (kind === "float") to.float(field, value as number);
  else if (kind === "shape") to.message(field, shapeOf(value as number[]));
  else to.int(field, Number(value));
}

/** An attribute of one value, or of a list of them; a shape is a list by itself. */
export function attribute(kind: AttributeKind, value: unknown): Attribute {
  const proto = message();
  if (!Array.isArray(value) || kind === "shape") append(proto, kind, value);
  else {
    const list = message();
    for (const item of value) append(list, kind, item);
    proto.message(1, list);
  }
  return proto;
}

/** A tensor as an attribute: TensorFlow's number of its type, its shape, its bytes. */
export function tensorAttribute(dtype: number, shape: readonly number[], bytes: Uint8Array): Attribute {
  return message().message(8, message().int(1, dtype).message(2, shapeOf(shape)).bytes(4, bytes));
}

/** One operation of a graph. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** Names of the nodes that it takes, with `:k` for an output other than the first. */
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

function nodeOf({ name, op, inputs, attributes }: GraphNode): Message {
  const proto = message().text(1, name).text(2, op);
  for (const input of inputs) proto.text(3, input);
  for (const [key, value] of Object.entries(attributes)) {
    proto.message(5, message().text(1, key).message(2, value));
  }
  return proto;
}

/** The bytes of `saved_model.pb`. Every node comes behind those that it takes. */
export function savedModel(nodes: readonly GraphNode[]): Uint8Array {
  const graph = message();
  for (const node of nodes) graph.message(1, nodeOf(node));
  graph.message(4, message().int(1, PRODUCER));
  const meta = message().message(1, message().text(4, TAG)).message(2, graph);
  return message().int(1, 1).message(2, meta).join();
}
