// WGSL programs on the device of TensorFlow.js' webgpu backend. Its own way to run a program knows one output and writes the shader's
// head itself; here a program has several outputs, and only the recording of a dispatch is the backend's. The backend's package is not
// imported: what is used of it is written down below.
import {
  type DataType,
  env,
  type KernelConfig,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { RuntimeError } from "../../errors";
import { sizeOf } from "../heap";

interface Device {
  readonly limits: { readonly maxStorageBuffersPerShaderStage: number };
  createShaderModule(descriptor: object): object;
  createBindGroupLayout(descriptor: object): object;
  createPipelineLayout(descriptor: object): object;
  createComputePipeline(descriptor: object): object;
}

interface Uniform {
  readonly type: "uint32" | "float32";
  readonly data: number[];
}

interface Recorded {
  readonly dispatch: Groups;
  readonly pipeline: object;
}

/** The part of tfjs's webgpu backend that the kernels use. */
export interface WebgpuBackend {
  readonly device: Device;
  readonly tensorMap: { get(dataId: object): { readonly dtype: DataType } };
  makeTensorInfo(shape: number[], dtype: DataType, values?: Float32Array): TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
  /** Gives a tensor its buffer, with its values where it has some. */
  uploadToGPU(dataId: object): void;
  /** Records a dispatch that binds the output, the inputs and a buffer of uniforms, in this order. */
  recordAndSubmit(program: Recorded, output: TensorInfo, inputs: TensorInfo[], uniforms: Uniform[]): void;
}

/** Workgroups along x, y and z. */
export type Groups = [number, number, number];

/** Threads of a workgroup, what every device has. */
export const THREADS = 256;

/** A program. Its name stands for all else, types of the inputs aside. */
export interface Program {
  readonly name: string;
  /** Names of read arrays. Values are taken out with `f32(..)`: after a cast from int32 the buffer still holds integers. */
  readonly inputs: readonly string[];
  /** Names of written arrays of f32. */
  readonly outputs: readonly string[];
  /** Single numbers, `u.name` in the code. */
  readonly uniforms: Readonly<Record<string, "u32" | "f32">>;
  /** Functions before the main one. */
  readonly functions?: string;
  /** The body of the main function, of {@link THREADS} threads: `local` is the thread's index, `group` its workgroup's, `groups` their number. */
  readonly main: string;
}

/** What one dispatch of a program works on. */
export interface Dispatch {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly uniforms: Readonly<Record<string, number>>;
  readonly groups: Groups;
}

const pipelines = new WeakMap<Device, Map<string, object>>();

// The backend puts NaN, infinity and, per array, size and stride before a program's own uniforms.
function headOf(arrays: number): string {
  const perArray = Array.from({ length: arrays }, (_, i) => `size${i}: i32, stride${i}: i32,`);
  return `nan: f32, infinity: f32, ${perArray.join(" ")}`;
}

function sourceOf({ inputs, outputs, uniforms, functions = "", main }: Program, types: readonly string[]): string {
  const [first, ...rest] = outputs;
  const arrays = [
    `@group(0) @binding(0) var<storage, read_write> ${first}: array<f32>;`,
    ...inputs.map((name, i) => `@group(0) @binding(${1 + i}) var<storage, read> ${name}: array<${types[i]}>;`),
    ...rest.map(
      (name, i) => `@group(0) @binding(${1 + inputs.length + i}) var<storage, read_write> ${name}: array<f32>;`,
    ),
  ];
  const own = Object.entries(uniforms).map(([name, type]) => `${name}: ${type},`);
  return `
    struct Uniforms { ${headOf(arrays.length)} ${own.join(" ")} }
    ${arrays.join("\n")}
    @group(0) @binding(${arrays.length}) var<uniform> u: Uniforms;
    ${functions}
    @compute @workgroup_size(${THREADS})
    fn main(
      @builtin(local_invocation_index) local: u32,
      @builtin(workgroup_id) group: vec3<u32>,
      @builtin(num_workgroups) groups: vec3<u32>,
    ) { ${main} }
  `;
}

function compile(device: Device, program: Program, types: readonly string[]): object {
  const { inputs, outputs } = program;
  const compute = 4; // GPUShaderStage.COMPUTE
  const kinds = ["storage", ...inputs.map(() => "read-only-storage"), ...outputs.slice(1).map(() => "storage")];
  // Not a layout made from the code, which would leave out what the code does not use.
  const layout = device.createBindGroupLayout({
    entries: [...kinds, "uniform"].map((type, binding) => ({ binding, visibility: compute, buffer: { type } })),
  });
  const label = `Caddet ${program.name}`;
  return device.createComputePipeline({
    label,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ label, code: sourceOf(program, types) }), entryPoint: "main" },
  });
}

function pipelineOf(device: Device, program: Program, types: readonly string[]): object {
  let own = pipelines.get(device);
  if (!own) {
    own = new Map();
    pipelines.set(device, own);
  }
  const key = `${program.name} ${types}`;
  let pipeline = own.get(key);
  if (!pipeline) {
    pipeline = compile(device, program, types);
    own.set(key, pipeline);
  }
  return pipeline;
}

const flat = ({ dataId, shape, dtype }: TensorInfo): TensorInfo => ({ dataId, shape: [sizeOf(shape)], dtype });

/** One call of a kernel: makes tensors, dispatches programs and frees what is only between them. */
export class Webgpu {
  readonly #between: TensorInfo[] = [];

  constructor(readonly backend: WebgpuBackend) {}

  /** How many arrays a program can bind. */
  get mostArrays(): number {
    return this.backend.device.limits.maxStorageBuffersPerShaderStage;
  }

  /** A new tensor, the kernel's output; without values, a program writes them. */
  output(shape: readonly number[], values?: Float32Array): TensorInfo {
    return this.backend.makeTensorInfo([...shape], "float32", values);
  }

  /** `size` undefined values that live as long as the call. */
  scratch(size: number): TensorInfo {
    const made = this.output([size]);
    this.#between.push(made);
    return made;
  }

  /** The same values as another output, without a copy. */
  share({ dataId, shape, dtype }: TensorInfo): TensorInfo {
    this.backend.incRef(dataId);
    return { dataId, shape, dtype };
  }

  /** Dispatches a program. */
  run(program: Program, { inputs, outputs, uniforms, groups }: Dispatch): void {
    const { backend } = this;
    const [first, ...rest] = outputs as [TensorInfo, ...TensorInfo[]];
    for (const { dataId } of [...inputs, ...outputs]) backend.uploadToGPU(dataId);
    const types = inputs.map(({ dataId }) => (backend.tensorMap.get(dataId).dtype === "float32" ? "f32" : "i32"));
    const pipeline = pipelineOf(backend.device, program, types);
    // Warming up: the backend's own programs are compiled, not run.
    if (env().getBool("WEBGPU_ENGINE_COMPILE_ONLY")) return;
    const values = Object.entries(program.uniforms).map(
      ([name, type]): Uniform => ({ type: type === "u32" ? "uint32" : "float32", data: [uniforms[name]!] }),
    );
    backend.recordAndSubmit({ dispatch: groups, pipeline }, flat(first), [...inputs, ...rest].map(flat), values);
  }

  /** Frees what lives as long as the call. */
  release(): void {
    for (const { dataId } of this.#between) this.backend.disposeData(dataId);
  }
}

/** What a kernel computes from named inputs and attributes. */
export type WebgpuKernel = (gpu: Webgpu, inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => TensorInfo | TensorInfo[];

function isWebgpu(backend: Partial<WebgpuBackend>): backend is WebgpuBackend {
  const { device, recordAndSubmit, uploadToGPU } = backend;
  return device !== undefined && typeof recordAndSubmit === "function" && typeof uploadToGPU === "function";
}

function call(kernelName: string, run: WebgpuKernel, backend: object, inputs: NamedTensorInfoMap, attrs: NamedAttrMap) {
  if (!isWebgpu(backend)) {
    throw new RuntimeError(
      "backend-wrong",
      `${kernelName} got a backend that records no dispatches; expected the one of @tensorflow/tfjs-backend-webgpu 4.22. ` +
        "Check that the backend registered as 'webgpu' is that package.",
    );
  }
  for (const [name, input] of Object.entries(inputs)) {
    if (input && sizeOf(input.shape) === 0) {
      throw new RuntimeError(
        "kernel-input",
        `${kernelName} got '${name}' of shape [${input.shape}]; expected at least one value. Leave empty batches out.`,
      );
    }
  }
  const gpu = new Webgpu(backend);
  try {
    return run(gpu, inputs, attrs);
  } finally {
    gpu.release();
  }
}

/** A kernel of the backend `webgpu` around programs. */
export function webgpuKernel(kernelName: string, run: WebgpuKernel): KernelConfig {
  return {
    kernelName,
    backendName: "webgpu",
    kernelFunc: ({ inputs, backend, attrs }) => call(kernelName, run, backend as object, inputs, attrs ?? {}),
  };
}

// Enough to fill a large device; each thread then takes several values.
const MOST_GROUPS = 4096;

/** Workgroups for a loop of {@link EACH} over `size` values. */
export const groupsFor = (size: number): Groups => [Math.min(Math.ceil(size / THREADS), MOST_GROUPS), 1, 1];

/** Head of a loop over the values that are a thread's, `i` from 0 to `u.size`. */
export const EACH = `for (var i = group.x * ${THREADS}u + local; i < u.size; i += groups.x * ${THREADS}u)`;
