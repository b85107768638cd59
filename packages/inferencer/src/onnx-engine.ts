// An exported detector in onnxruntime, which decodes and suppresses in the graph: in Node, in a browser, on a CPU or a GPU. The runtime
// is passed in, so that this package depends on none; only what is used of it is named here.
import { CaddetError, ConfigError, type Detections, ShapeError, type Size } from "@caddet/core";
import type { Engine, EngineAnswer, EngineBatch } from "./engine";

/** A tensor of onnxruntime. */
export interface OnnxTensor {
  readonly data: unknown;
  readonly dims: readonly number[];
  dispose?(): void;
}

/** A loaded model. */
export interface OnnxSession {
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}

/** The module `onnxruntime-node` or `onnxruntime-web`, as far as it is used. */
export interface OnnxRuntime {
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OnnxTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Record<string, unknown>): Promise<OnnxSession>;
  };
  readonly env?: {
    readonly versions?: { readonly node?: string; readonly web?: string };
    readonly wasm?: { numThreads?: number };
  };
}

/** Options of {@link createOnnxEngine}. */
export interface OnnxEngineOptions {
  /** The module `onnxruntime-node` or `onnxruntime-web`. */
  readonly runtime: OnnxRuntime;
  /** Execution providers in the order of preference, such as `["cuda", "cpu"]` or `["webgpu"]`. Default the CPU's: "cpu" or "wasm". */
  readonly providers?: readonly string[];
  /** Threads of one operation, an integer from 1. Default the runtime's. */
  readonly threads?: number;
}

const GPU_PROVIDERS: ReadonlySet<string> = new Set(["cuda", "tensorrt", "dml", "webgpu", "coreml", "webnn", "rocm"]);
/** Images of a batch on a GPU, unless told otherwise. */
const GPU_BATCH = 4;
/** What onnxruntime-node's package leaves out, as it is too large for npm. */
const CUDA_HINT =
  "For CUDA run `ONNXRUNTIME_NODE_INSTALL=1 npm rebuild onnxruntime-node`, and install CUDA and cuDNN beside NVIDIA's driver;";
/** Errors, and no warnings: onnxruntime has some of every model with branches. */
const LOG_ERRORS = 3;

/** What a file of `exportOnnx` says of itself, once its hash has shown that it is whole. */
export type OnnxMetadata = Readonly<Record<string, string>>;

/** Reads and checks the metadata of an exported model; see `readOnnxMetadata` of @caddet/onnx. */
export async function onnxMetadata(model: Uint8Array, file?: string): Promise<OnnxMetadata> {
  const { readOnnxMetadata } = await import("@caddet/onnx");
  return readOnnxMetadata(model, file);
}

// JSON that exportOnnx wrote, in a file whose hash was right.
const parsed = <T>(text: string | undefined): T | undefined => (text === undefined ? undefined : JSON.parse(text));

function detectionsOf(outputs: Record<string, OnnxTensor>, batch: number): Detections[] {
  const boxes = outputs.boxes!.data as Float32Array;
  const scores = outputs.scores!.data as Float32Array;
  const labels = outputs.labels!.data as Int32Array;
  const imageIndex = outputs.image_index!.data as Int32Array;
  let from = 0;
  return Array.from({ length: batch }, (_, b) => {
    let to = from;
    while (to < imageIndex.length && imageIndex[to] === b) to++;
    const own = {
      boxes: boxes.slice(from * 4, to * 4),
      scores: scores.slice(from, to),
      labels: labels.slice(from, to),
    };
    from = to;
    return own;
  });
}

function answerOf(outputs: Record<string, OnnxTensor>, batch: number): EngineAnswer {
  return {
    detections: detectionsOf(outputs, batch),
    gates: (outputs.gates!.data as Float32Array).slice(),
    madds: (outputs.madds!.data as Float64Array).slice(),
  };
}

function describeDevice({ env }: OnnxRuntime, providers: readonly string[], threads: number | undefined): string {
  const { node, web } = env?.versions ?? {};
  const runtime = node ? `onnxruntime-node ${node}` : web ? `onnxruntime-web ${web}` : "onnxruntime";
  const some = threads === undefined ? "" : `, ${threads} thread${threads === 1 ? "" : "s"}`;
  return `${runtime} on ${providers.join(", ")}${some}`;
}

async function createSession(
  model: Uint8Array,
  runtime: OnnxRuntime,
  providers: readonly string[],
  threads: number | undefined,
): Promise<OnnxSession> {
  // In a browser the number of threads is the module's, in Node the session's.
  if (threads !== undefined && runtime.env?.wasm) runtime.env.wasm.numThreads = threads;
  try {
    return await runtime.InferenceSession.create(model, {
      executionProviders: [...providers],
      logSeverityLevel: LOG_ERRORS,
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const hint = providers.includes("cuda") ? `${CUDA_HINT} or choose` : "Choose";
    throw new ConfigError(
      `onnxruntime cannot run the model on [${providers}]: ${reason} ${hint} other providers, or a newer onnxruntime.`,
      { providers },
      { cause },
    );
  }
}

/**
 * Makes an engine of a model that `exportOnnx` of @caddet/onnx wrote, with output "detections".
 *
 * @param model the file's bytes
 * @param options the runtime's module, where it computes, and on how many threads
 * @returns the engine
 * @throws CheckpointError when the file is cut, changed or another's; ConfigError when it gives no detections, or the runtime cannot
 *   run it on these providers
 * @example await createOnnxEngine(await readFile("model.onnx"), { runtime: await import("onnxruntime-node"), threads: 2 })
 */
export async function createOnnxEngine(
  model: Uint8Array,
  { runtime, providers, threads }: OnnxEngineOptions,
): Promise<Engine> {
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1)) {
    throw new ConfigError(`threads is an integer from 1, got ${threads}.`, { threads });
  }
  const { output, size, classes } = await onnxMetadata(model);
  if (output !== "detections") {
    throw new ConfigError(`The model gives ${output}, no detections. Export it with output "detections".`, { output });
  }
  const fixedInput = parsed<Size>(size);
  const numClasses = parsed<readonly unknown[]>(classes)?.length;
  const places = providers ?? [runtime.env?.versions?.web && !runtime.env.versions.node ? "wasm" : "cpu"];
  const session = await createSession(model, runtime, places, threads);
  // One run after another: some providers refuse a second one, and none gains by it.
  let last: Promise<unknown> = Promise.resolve();

  const runNow = async ({ values, input, sizes }: EngineBatch): Promise<EngineAnswer> => {
    const { height, width } = input;
    if (fixedInput && (height !== fixedInput.height || width !== fixedInput.width)) {
      throw new ShapeError(
        `The model was exported for inputs of ${fixedInput.height} x ${fixedInput.width} pixels, got ${height} x ${width}. ` +
          "Pad images to that size, or export without a size.",
        { expected: fixedInput, got: { height, width } },
      );
    }
    const rows = sizes.flatMap(({ height: h, width: w, scaleX = 1, scaleY = 1 }) => [h, w, scaleX, scaleY]);
    const feeds = {
      images: new runtime.Tensor("float32", values, [sizes.length, height, width, 3]),
      sizes: new runtime.Tensor("float32", Float32Array.from(rows), [sizes.length, 4]),
    };
    let outputs: Record<string, OnnxTensor> = {};
    try {
      outputs = await session.run(feeds);
      return answerOf(outputs, sizes.length);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CaddetError("engine", `onnxruntime failed: ${reason}`, { input, batch: sizes.length }, { cause });
    } finally {
      for (const tensor of [...Object.values(feeds), ...Object.values(outputs)]) tensor.dispose?.();
    }
  };
  const run = (batch: EngineBatch): Promise<EngineAnswer> => {
    const answer = last.then(() => runNow(batch));
    last = answer.catch(() => {});
    return answer;
  };

  return {
    name: "onnx",
    device: describeDevice(runtime, places, threads),
    preferredBatch: GPU_PROVIDERS.has(places[0] ?? "") ? GPU_BATCH : 1,
    ...(numClasses === undefined ? {} : { numClasses }),
    ...(fixedInput ? { fixedInput } : {}),
    run,
    warmup: async (input) => {
      await run({ values: new Float32Array(input.height * input.width * 3), input, sizes: [input] });
    },
    dispose: () => session.release(),
  };
}
