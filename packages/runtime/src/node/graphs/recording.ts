// The operations of libtensorflow that some code runs, noted while they run, so that they can run again as one graph. What is given as
// varying is fed to the graph later on; any other tensor that comes from outside, or out of JavaScript, is a constant of it.
import { createHash, type Hash } from "node:crypto";
import * as tf from "@tensorflow/tfjs-core";
import { RuntimeError } from "../../errors";
import { type NativeBackend, type OpAttribute, setRecording } from "../../kernels/native/backend";
import { type Attribute, type AttributeKind, attribute, type GraphNode, tensorAttribute } from "./saved-model";

interface Operation {
  readonly op: string;
  readonly attributes: readonly OpAttribute[];
  readonly inputs: readonly number[];
  /** Of the first output's shape. */
  readonly rank: number;
  /** The part that ran it, from 0. */
  readonly part: number;
}

interface Constant {
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

interface Place {
  readonly operation: number;
  readonly output: number;
}

const KINDS: Readonly<Record<string, AttributeKind>> = {
  TF_ATTR_STRING: "string",
  TF_ATTR_INT: "int",
  TF_ATTR_FLOAT: "float",
  TF_ATTR_BOOL: "bool",
  TF_ATTR_TYPE: "type",
  TF_ATTR_SHAPE: "shape",
};

const copyOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice();

const PLAIN_NAMES: Readonly<Record<string, string>> = { adj_x: "transpose_a", adj_y: "transpose_b" };

// Of two matrices, the operation for two is the faster one.
function inGraph({ op, attributes, rank }: Pick<Operation, "op" | "attributes" | "rank">) {
  if (op !== "BatchMatMulV2" || rank !== 2) return { op, attributes };
  const renamed = attributes.map((one) => ({ ...one, name: PLAIN_NAMES[one.name] ?? one.name }));
  return { op: "MatMul", attributes: renamed };
}

/** Notes operations. Tensors are named by the ids of their handles, which libtensorflow's binding never gives twice. */
export class Recording {
  readonly #backend: NativeBackend;
  readonly #operations: Operation[] = [];
  readonly #places = new Map<number, Place>();
  readonly #constants = new Map<number, Constant>();
  readonly #varying = new Map<number, { readonly dtype: number; readonly shape: readonly number[] }>();
  /** Names by the ids that they had. */
  readonly #variables = new Map<number, string>();
  #parts = 0;
  #refusal: string | undefined;

  constructor(backend: NativeBackend) {
    this.#backend = backend;
  }

  /** Why it cannot become a graph. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** The handle's id of a tensor. */
  idOf(tensor: tf.TensorInfo): number {
    return this.#backend.getInputTensorIds([tensor])[0]!;
  }

  /**
   * Runs a part of what is to be recorded.
   *
   * @param part synchronous
   * @param varying tensors of other values, but the same shapes, next time
   * @returns what `part` returns
   */
  run<T>(part: () => T, varying: readonly tf.Tensor[]): T {
    // Handles that wait for their first use would look like constants.
    for (const [name, variable] of Object.entries(tf.engine().registeredVariables)) {
      if (this.#backend.tensorMap.has(variable.dataId)) this.#variables.set(this.idOf(variable), name);
    }
    for (const tensor of varying) {
      const id = this.idOf(tensor);
      if (this.#places.has(id)) continue;
      const { dtype } = this.#backend.tensorMap.get(tensor.dataId);
      this.#varying.set(id, { dtype, shape: tensor.shape });
    }
    const backend = this.#backend as { binding: NativeBackend["binding"] };
    const { binding } = backend;
    backend.binding = this.#listen(binding, this.#parts++);
    setRecording(this.#backend, true);
    try {
      return part();
    } finally {
      setRecording(this.#backend, false);
      backend.binding = binding;
    }
  }

  /** Equal for recordings of the same operations on the same constants. */
  signature(): string {
    const hash = createHash("sha256");
    const varying = new Map([...this.#varying.keys()].map((id, i) => [id, i]));
    for (const { op, attributes, inputs, part } of this.#operations) {
      hash.update(`${op} ${part} ${JSON.stringify(attributes)}`);
      for (const id of inputs) this.#hashInput(hash, id, varying);
    }
    return hash.digest("base64");
  }

  #hashInput(hash: Hash, id: number, varying: ReadonlyMap<number, number>): void {
    const constant = this.#constants.get(id);
    const place = this.#places.get(id);
    if (place) hash.update(`n${place.operation}:${place.output}`);
    else if (constant) hash.update(`c${constant.dtype}[${constant.shape}]`).update(constant.bytes);
    else hash.update(`x${varying.get(id)}[${this.#varying.get(id)!.shape}]`);
  }

  /** Where a tensor lies in the graph: `node:output`. */
  placeOf(id: number): string {
    const place = this.#places.get(id);
    if (place) return `n${place.operation}:${place.output}`;
    return this.#varying.has(id) ? `x${id}:0` : `c${id}:0`;
  }

  /** What has to be fed for some tensors when only the parts from `part` on are to run. */
  needs(fetched: readonly number[], part: number): number[] {
    const needed = new Set<number>();
    const seen = new Set<number>();
    const open = [...fetched];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (seen.has(id)) continue;
      seen.add(id);
      const place = this.#places.get(id);
      const operation = place && this.#operations[place.operation]!;
      if (operation && operation.part >= part) open.push(...operation.inputs);
      else if (!this.#constants.has(id)) needed.add(id);
    }
    return [...needed].sort((a, b) => a - b);
  }

  /** All of it as a graph. */
  nodes(): GraphNode[] {
    const { binding } = this.#backend;
    const kinds = new Map(
      Object.entries(KINDS).map(([name, kind]) => [(binding as unknown as Record<string, number>)[name]!, kind]),
    );
    const encoded = (list: readonly OpAttribute[]): Record<string, Attribute> =>
      Object.fromEntries(list.map(({ name, type, value }) => [name, attribute(kinds.get(type)!, value)]));
    const type = (dtype: number) => attribute("type", dtype);
    const varying = [...this.#varying].map(([id, { dtype, shape }]) => ({
      name: `x${id}`,
      op: "Placeholder",
      inputs: [],
      attributes: { dtype: type(dtype), shape: attribute("shape", shape) },
    }));
    const constants = [...this.#constants].map(([id, { dtype, shape, bytes }]) => ({
      name: `c${id}`,
      op: "Const",
      inputs: [],
      attributes: { dtype: type(dtype), value: tensorAttribute(dtype, shape, bytes) },
    }));
    const operations = this.#operations.map(({ inputs, ...operation }, n) => {
      const { op, attributes } = inGraph(operation);
      return {
        name: `n${n}`,
        op,
        inputs: inputs.map((id) => this.placeOf(id).replace(/:0$/, "")),
        attributes: encoded(attributes),
      };
    });
    return [...varying, ...constants, ...operations];
  }

  #listen(binding: NativeBackend["binding"], part: number): NativeBackend["binding"] {
    const own: Partial<NativeBackend["binding"]> = {
      executeOp: (op, attributes, inputs, outputs) => {
        for (const id of inputs) this.#meet(binding, id);
        const made = binding.executeOp(op, attributes, inputs, outputs);
        for (const [output, { id }] of made.entries()) {
          this.#places.set(id, { operation: this.#operations.length, output });
        }
        this.#operations.push({ op, attributes, inputs: [...inputs], rank: made[0]?.shape.length ?? 0, part });
        return made;
      },
      createTensor: (shape, dtype, values) => {
        const id = binding.createTensor(shape, dtype, values);
        if (Array.isArray(values)) this.#refusal ??= "it makes a tensor of strings";
        else this.#constants.set(id, { dtype, shape: [...shape], bytes: copyOf(values) });
        return id;
      },
      tensorDataSync: (id) => {
        if (!this.#constants.has(id)) this.#refusal ??= "it reads a tensor's values";
        return binding.tensorDataSync(id);
      },
      runSavedModel: (...call) => {
        this.#refusal ??= "it runs a graph itself";
        return binding.runSavedModel(...call);
      },
    };
    // The addon's functions are read-only.
    const writable = Object.entries(own).map(([name, value]) => [name, { value }]);
    return Object.create(binding, Object.fromEntries(writable)) as NativeBackend["binding"];
  }

  // One from outside that was not said to vary is a constant, unless it is a variable: someone has forgotten to name it.
  #meet(binding: NativeBackend["binding"], id: number): void {
    if (this.#places.has(id) || this.#constants.has(id) || this.#varying.has(id)) return;
    const name = this.#variables.get(id);
    if (name !== undefined) {
      throw new RuntimeError(
        "kernel-input",
        `What is recorded uses the variable ${name}, which is not among those given. Add it.`,
      );
    }
    // Tells type and shape.
    const [copy] = binding.executeOp("Identity", [], [id], 1);
    const { dtype, shape } = copy!;
    this.#constants.set(id, { dtype, shape: [...shape], bytes: copyOf(binding.tensorDataSync(copy!.id)) });
    binding.deleteTensor(copy!.id);
  }
}
