// libtensorflow's operations through tfjs-node's backend, below TensorFlow.js' engine: intermediate results are plain handles that
// are freed when the kernel returns, and constants are kept. CPU only: on a GPU some operations save other values.
import type { KernelConfig, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { getKernel } from "@tensorflow/tfjs-core";
import { RuntimeError } from "../../errors";

/** A tensor of libtensorflow. */
export interface Handle {
  readonly id: number;
  readonly shape: number[];
  /** TensorFlow's number of the type. */
  readonly dtype: number;
}

/** An attribute as the binding takes it. */
export interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

interface Binding {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_TYPE: number;
  executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputs: number): Handle[];
  createTensor(shape: readonly number[], dtype: number, values: Float32Array | Int32Array): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array;
  /** A session from a folder; its id. */
  loadSavedModel(folder: string, tags: string): number;
  /** Runs a part of a session's graph; names are separated by commas. */
  runSavedModel(session: number, inputs: number[], inputNames: string, outputNames: string): Handle[];
  deleteSavedModel(session: number): void;
}

/** The part of tfjs-node's backend that the kernels use. */
export interface NativeBackend {
  readonly binding: Binding;
  readonly isUsingGpuDevice: boolean;
  readonly tensorMap: {
    set(dataId: object, data: object): void;
    has(dataId: object): boolean;
    get(dataId: object): { readonly id: number; readonly dtype: number };
  };
  readSync(dataId: object): Float32Array;
  getInputTensorIds(tensors: readonly TensorInfo[]): number[];
  incRef(dataId: object): void;
}

/** Attributes of an operation by name: flags, strings, lists of whole numbers as they are, the rest made by {@link Native}. */
export type Attributes = Readonly<Record<string, boolean | string | readonly number[] | Typed>>;

/** A type or a single number, which JavaScript cannot tell apart. */
export interface Typed {
  readonly is: "type" | "float" | "int";
  readonly value: number;
}

/** A whole number as an attribute. */
export const whole = (value: number): Typed => ({ is: "int", value });
/** Any number as an attribute. */
export const real = (value: number): Typed => ({ is: "float", value });

// Enough for the shapes of many image sizes.
const MOST_CONSTANTS = 2048;

/** One call of a kernel: runs operations and frees what they made, but for the kernel's outputs. */
export class Native {
  readonly #made: Handle[] = [];
  readonly #constants: Map<string, number>;
  readonly float: Typed;
  readonly int32: Typed;

  constructor(
    readonly backend: NativeBackend,
    constants: Map<string, number>,
  ) {
    const { TF_FLOAT, TF_INT32 } = backend.binding;
    this.#constants = constants;
    this.float = { is: "type", value: TF_FLOAT };
    this.int32 = { is: "type", value: TF_INT32 };
  }

  /** Whether the operations are recorded. */
  get isRecorded(): boolean {
    return recording.has(this.backend);
  }

  /** The handle's id of an input. */
  idOf(tensor: TensorInfo): number {
    return this.backend.getInputTensorIds([tensor])[0]!;
  }

  /** Runs an operation of several outputs. */
  run(name: string, inputs: readonly number[], attributes: Attributes, outputs: number): Handle[] {
    const { binding } = this.backend;
    const list: OpAttribute[] = [];
    for (const attribute in attributes) list.push(this.#attribute(attribute, attributes[attribute]!));
    const made = binding.executeOp(name, list, inputs as number[], outputs);
    this.#made.push(...made);
    return made;
  }

  /** Runs an operation of one output whose type attribute `T` is float32. */
  op(name: string, inputs: readonly number[], attributes: Attributes = {}): Handle {
    return this.run(name, inputs, { T: this.float, ...attributes }, 1)[0]!;
  }

  /** The same values in another shape; nothing is copied. */
  reshape(id: number, shape: readonly number[]): number {
    return this.op("Reshape", [id, this.ints(shape)], { Tshape: this.int32 }).id;
  }

  /** A constant vector of whole numbers. */
  ints(values: readonly number[]): number {
    return this.#constant(`i${values}`, [values.length], () => Int32Array.from(values));
  }

  /** A constant tensor that `key` names; `make` is called once. */
  floats(key: string, shape: readonly number[], make: () => Float32Array): number {
    return this.#constant(`f${key}/${shape}`, shape, make);
  }

  /** A scalar. */
  scalar(value: number): number {
    return this.#constant(`s${value}`, [], () => Float32Array.of(value));
  }

  /** The values of a float32 input, which must not be changed. */
  read(tensor: TensorInfo): Float32Array {
    return this.backend.readSync(tensor.dataId);
  }

  /** The values of a handle. */
  valuesOf(id: number): Float32Array {
    return this.backend.binding.tensorDataSync(id);
  }

  /** A handle with these values. */
  write(values: Float32Array, shape: number[]): Handle {
    const { binding } = this.backend;
    const made = { id: binding.createTensor(shape, binding.TF_FLOAT, values), shape, dtype: binding.TF_FLOAT };
    this.#made.push(made);
    return made;
  }

  /** Makes the tensor of a kernel's output; it takes the handle over. */
  output(handle: Handle): TensorInfo {
    const at = this.#made.indexOf(handle);
    if (at >= 0) this.#made.splice(at, 1);
    const dataId = {};
    const { id, shape, dtype } = handle;
    this.backend.tensorMap.set(dataId, { shape, dtype, id, values: null, refCount: 1 });
    return { dataId, shape, dtype: "float32" };
  }

  /** Frees what is no output. */
  release(): void {
    for (const { id } of this.#made) this.backend.binding.deleteTensor(id);
    // Not earlier: this call used some.
    if (this.#constants.size > MOST_CONSTANTS) {
      for (const id of this.#constants.values()) this.backend.binding.deleteTensor(id);
      this.#constants.clear();
    }
  }

  #constant(key: string, shape: readonly number[], make: () => Float32Array | Int32Array): number {
    let id = this.#constants.get(key);
    if (id === undefined) {
      const { binding } = this.backend;
      const values = make();
      id = binding.createTensor(shape, values instanceof Int32Array ? binding.TF_INT32 : binding.TF_FLOAT, values);
      this.#constants.set(key, id);
    }
    return id;
  }

  #attribute(name: string, value: Attributes[string]): OpAttribute {
    const { binding } = this.backend;
    if (typeof value === "boolean") return { name, type: binding.TF_ATTR_BOOL, value };
    if (typeof value === "string") return { name, type: binding.TF_ATTR_STRING, value };
    if (!("is" in value)) return { name, type: binding.TF_ATTR_INT, value };
    const types = { type: binding.TF_ATTR_TYPE, float: binding.TF_ATTR_FLOAT, int: binding.TF_ATTR_INT };
    return { name, type: types[value.is], value: value.value };
  }
}

const recording = new WeakSet<object>();

/** Says whether what runs is recorded, to run again as a graph: then nothing may be computed in JavaScript. */
export function setRecording(backend: NativeBackend, on: boolean): void {
  if (on) recording.add(backend);
  else recording.delete(backend);
}

const constantsOf = new WeakMap<object, Map<string, number>>();

/** Whether a backend is tfjs-node's, on the CPU. */
export function isNativeCpu(backend: object): backend is NativeBackend {
  const { binding, tensorMap, getInputTensorIds, isUsingGpuDevice } = backend as Partial<NativeBackend>;
  return (
    typeof binding?.executeOp === "function" &&
    tensorMap !== undefined &&
    getInputTensorIds !== undefined &&
    isUsingGpuDevice === false
  );
}

/** What a kernel computes from named inputs and attributes. */
export type NativeKernel = (native: Native, inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => Handle | Handle[];

function call(run: NativeKernel, backend: NativeBackend, inputs: NamedTensorInfoMap, attrs: NamedAttrMap) {
  let constants = constantsOf.get(backend);
  if (!constants) {
    constants = new Map();
    constantsOf.set(backend, constants);
  }
  const native = new Native(backend, constants);
  try {
    const result = run(native, inputs, attrs);
    return Array.isArray(result) ? result.map((handle) => native.output(handle)) : native.output(result);
  } finally {
    native.release();
  }
}

/** A kernel of the backend `tensorflow` around operations of libtensorflow. */
export function nativeKernel(kernelName: string, run: NativeKernel): KernelConfig {
  return {
    kernelName,
    backendName: "tensorflow",
    kernelFunc: ({ inputs, backend, attrs }) => call(run, backend as NativeBackend, inputs, attrs ?? {}),
  };
}

/** Whether a kernel computes a case. */
export type Handles = (inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => boolean;

/** A kernel in place of one of tfjs-node's. */
export interface Replacement {
  readonly name: string;
  /** Takes hold of the one that is registered now. */
  make(): KernelConfig;
}

function replacement(kernelName: string, handles: Handles, own: KernelConfig["kernelFunc"]): Replacement {
  const make = (): KernelConfig => {
    const original = getKernel(kernelName, "tensorflow");
    if (!original) {
      throw new RuntimeError(
        "backend-wrong",
        `Got a backend 'tensorflow' without the kernel ${kernelName}; expected that of @tensorflow/tfjs-node 4.22. Reinstall it.`,
      );
    }
    return {
      ...original,
      kernelFunc: (params) => (handles(params.inputs, params.attrs ?? {}) ? own(params) : original.kernelFunc(params)),
    };
  };
  return { name: kernelName, make };
}

/** A kernel in place of one of tfjs-node's, which computes what `handles` refuses. */
export function nativeReplacement(kernelName: string, handles: Handles, run: NativeKernel): Replacement {
  return replacement(kernelName, handles, nativeKernel(kernelName, run).kernelFunc);
}

/** A replacement that hands the input `x` on as it is. */
export function shared(kernelName: string, handles: Handles): Replacement {
  return replacement(kernelName, handles, ({ inputs, backend }) => {
    const { dataId, shape, dtype } = inputs.x as TensorInfo;
    (backend as NativeBackend).incRef(dataId);
    return { dataId, shape, dtype };
  });
}
