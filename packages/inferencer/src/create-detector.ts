// From a model file to an inferencer: which format it is, which engine runs it, how its images are prepared. What differs between Node
// and a browser (files, backends, where onnxruntime comes from) is passed in.
import {
  CaddetError,
  CheckpointError,
  ConfigError,
  type Normalisation,
  type Size,
  type StoredArray,
  type TargetSize,
} from "@caddet/core";
import {
  type ClassEntry,
  type Detector,
  deserializeDetector,
  type ModelParts,
  verifyDetectorFile,
} from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "./engine";
import { type Inferencer, type InferencerParts, inferencerOf, type PreparationOptions } from "./inferencer";
import { modelKind, storedPreparation } from "./model-file";
import { createOnnxEngine, type OnnxEngineOptions, type OnnxRuntime, onnxMetadata } from "./onnx-engine";
import { type ImageInput, toImageSource } from "./sources";
import { createTfjsEngine, isGpuCurrent } from "./tfjs-engine";

/** Which engine runs a detector. */
export type EngineChoice = "auto" | "tfjs" | "onnx";

/** What {@link createDetector} can be told, here and in Node. */
export interface DetectorOptions extends Partial<PreparationOptions> {
  /** What the file's configuration can name. Default the supernet, FCOS and RetinaNet. */
  readonly parts?: ModelParts;
  /**
   * "onnx": an ONNX file, or a safetensors file that is exported in memory. "tfjs": a safetensors file. "auto" (default): ONNX files on
   * onnx; safetensors files on tfjs where its backend is a GPU, else on onnx where an onnxruntime is at hand and the detector can be
   * exported, else on tfjs.
   */
  readonly engine?: EngineChoice;
  /** See `createTfjsEngine`. Default true. */
  readonly freeze?: boolean;
}

/** Options of {@link createDetector}. */
export interface CreateDetectorOptions extends DetectorOptions {
  /** The model's bytes, or the address that they are fetched from. */
  readonly file: Uint8Array | string | URL;
  /** The module of onnxruntime, its providers and threads. Engine "onnx" needs it; "auto" does without. */
  readonly onnx?: OnnxEngineOptions;
}

/** What Node and a browser do in their own ways. */
export interface Surroundings<Input> {
  readonly open: InferencerParts<Input>["open"];
  /** Sees to it that TensorFlow.js has a backend; returns what it computes on, in words. */
  readonly prepareBackend: () => Promise<string>;
  /** onnxruntime's module; undefined where there is none. */
  readonly loadRuntime: () => Promise<OnnxRuntime | undefined>;
  /** What to do where there is no onnxruntime. */
  readonly runtimeHint: string;
  readonly onnx: Partial<OnnxEngineOptions>;
}

/** A model file in memory. */
export interface ModelBytes {
  readonly bytes: Uint8Array;
  /** Its name, for error texts. */
  readonly name: string;
}

/** An engine, and what its file says beside. */
interface Opened {
  readonly engine: Engine;
  readonly classes: readonly ClassEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

async function defaultParts(): Promise<ModelParts> {
  const [{ supernetFactory }, { fcosFactory, retinaFactory }] = await Promise.all([
    import("@caddet/supernet"),
    import("@caddet/heads"),
  ]);
  return { backbones: [supernetFactory], heads: [fcosFactory, retinaFactory] };
}

// NaN spreads over all that it meets: the detector would find nothing, and not say why.
function requireFinite(arrays: ReadonlyMap<string, Pick<StoredArray, "data">>, file: string): void {
  for (const [name, { data }] of arrays) {
    if (!(data instanceof Float32Array)) continue;
    const at = data.findIndex((v) => !Number.isFinite(v));
    if (at < 0) continue;
    throw new CheckpointError(
      `${file}: the weight "${name}" has ${data[at]} at ${at}. The training diverged; take an earlier checkpoint.`,
      { file, name, at },
    );
  }
}

async function runtimeOf<Input>(surroundings: Surroundings<Input>): Promise<OnnxRuntime> {
  const runtime = await surroundings.loadRuntime();
  if (runtime) return runtime;
  throw new ConfigError(`The engine "onnx" needs an onnxruntime. ${surroundings.runtimeHint}`, { engine: "onnx" });
}

async function openOnnx<Input>(
  { bytes, name }: ModelBytes,
  { engine, parts: _ }: DetectorOptions,
  surroundings: Surroundings<Input>,
): Promise<Opened> {
  if (engine === "tfjs") {
    throw new ConfigError(
      `${name} is an ONNX file, which runs on the engine "onnx". Give the safetensors file for tfjs.`,
      {
        file: name,
        engine,
      },
    );
  }
  const metadata = await onnxMetadata(bytes, name);
  if (metadata.classes === undefined) {
    throw new CheckpointError(`${name} has no class table. Export it with the option classes.`, { file: name });
  }
  const runtime = await runtimeOf(surroundings);
  return {
    engine: await createOnnxEngine(bytes, { ...surroundings.onnx, runtime }),
    classes: JSON.parse(metadata.classes),
    metadata,
  };
}

// The detector on onnxruntime; undefined where "auto" has to do without.
async function exported<Input>(
  detector: Detector,
  classes: readonly ClassEntry[],
  engine: EngineChoice,
  surroundings: Surroundings<Input>,
): Promise<Engine | undefined> {
  const runtime = engine === "onnx" ? await runtimeOf(surroundings) : await surroundings.loadRuntime();
  if (!runtime) return undefined;
  const { exportOnnx } = await import("@caddet/onnx");
  try {
    const model = await exportOnnx(detector, { classes });
    return await createOnnxEngine(model, { ...surroundings.onnx, runtime });
  } catch (error) {
    if (engine === "auto" && error instanceof ConfigError) return undefined;
    throw error;
  }
}

async function openSafetensors<Input>(
  { bytes, name }: ModelBytes,
  { engine = "auto", parts, freeze = true }: DetectorOptions,
  surroundings: Surroundings<Input>,
): Promise<Opened> {
  await verifyDetectorFile(bytes, name);
  const known = parts ?? (await defaultParts());
  const device = await surroundings.prepareBackend();
  const { detector, classes, metadata, arrays } = deserializeDetector(bytes, { parts: known, file: name });
  try {
    requireFinite(arrays, name);
    const stays = engine === "tfjs" || (engine === "auto" && isGpuCurrent());
    const onOnnx = stays ? undefined : await exported(detector, classes, engine, surroundings);
    if (onOnnx) {
      detector.dispose();
      return { engine: onOnnx, classes, metadata };
    }
    const own = createTfjsEngine(detector, { freeze });
    const dispose = async () => {
      await own.dispose();
      detector.dispose();
    };
    return { engine: { ...own, device, dispose }, classes, metadata };
  } catch (error) {
    detector.dispose();
    throw error;
  }
}

// What images are brought to: as asked for, else as the file says.
function preparationOf(
  { size, padTo, normalise, batch }: DetectorOptions,
  { metadata, engine }: Opened,
  file: string,
): PreparationOptions {
  const stored = storedPreparation(metadata, file);
  const target = size ?? stored?.size ?? (engine.fixedInput && targetOf(engine.fixedInput));
  if (!target) {
    throw new ConfigError(
      `${file} does not say how its images were prepared. Pass size, and padTo and normalise where they were not the defaults.`,
      { file },
    );
  }
  const pad = padTo ?? stored?.padTo;
  // A model that normalises by itself takes the bytes' own values.
  const values = metadata.normalise === undefined ? (normalise ?? stored?.normalise) : PLAIN;
  return {
    size: target,
    ...(pad === undefined ? {} : { padTo: pad }),
    ...(values ? { normalise: values } : {}),
    ...(batch ? { batch } : {}),
  };
}

const PLAIN: Normalisation = { mean: [0, 0, 0], std: [1, 1, 1] };

function targetOf({ height, width }: Size): TargetSize {
  return { shorter: Math.min(height, width), longer: Math.max(height, width) };
}

/** Opens a model; see {@link createDetector}. */
export async function openDetector<Input>(
  model: ModelBytes,
  options: DetectorOptions,
  surroundings: Surroundings<Input>,
): Promise<Inferencer<Input>> {
  const { engine = "auto" } = options;
  if (!["auto", "tfjs", "onnx"].includes(engine)) {
    throw new ConfigError(`engine should be "auto", "tfjs" or "onnx", got ${JSON.stringify(engine)}.`, { engine });
  }
  const open = modelKind(model.bytes, model.name) === "onnx" ? openOnnx : openSafetensors;
  const opened = await open(model, options, surroundings);
  try {
    const preparation = preparationOf(options, opened, model.name);
    return inferencerOf({ ...preparation, ...opened, open: surroundings.open });
  } catch (error) {
    await opened.engine.dispose();
    throw error;
  }
}

async function fetched(address: string | URL): Promise<ModelBytes> {
  const name = String(address);
  const fail = (why: string, cause?: unknown) =>
    new CheckpointError(`${name} cannot be fetched: ${why}. Check the address.`, { file: name }, { cause });
  const response = await fetch(address).catch((cause: Error) => {
    throw fail(cause.message, cause);
  });
  if (!response.ok) throw fail(`the server answers ${response.status}`);
  return { bytes: new Uint8Array(await response.arrayBuffer()), name };
}

async function currentBackend(): Promise<string> {
  try {
    await tf.ready();
  } catch (cause) {
    const message =
      "TensorFlow.js has no backend, which a safetensors file needs. Import one, such as @tensorflow/tfjs-backend-webgpu, before.";
    throw new CaddetError("backend", message, {}, { cause });
  }
  return tf.getBackend();
}

/**
 * Makes a detector of a model file: what `caddet train` or `caddet export` wrote, or `serializeDetector` or `exportOnnx`.
 *
 * @param options the file, which engine runs it, and how images are prepared where that differs from its training
 * @returns the inferencer; close it when done
 * @throws CheckpointError when the file is cut, changed, of another format, or has weights that are not finite; ConfigError when an
 *   option is not usable, an engine is not known or cannot run the file, or the file does not say how images were prepared
 * @example const detector = await createDetector({ file: "/model.onnx", onnx: { runtime: await import("onnxruntime-web") } });
 */
export async function createDetector(options: CreateDetectorOptions): Promise<Inferencer<ImageInput>> {
  const { file, onnx, ...rest } = options;
  const model = file instanceof Uint8Array ? { bytes: file, name: "the model" } : await fetched(file);
  return openDetector(model, rest, {
    open: toImageSource,
    prepareBackend: currentBackend,
    loadRuntime: async () => onnx?.runtime,
    runtimeHint: 'Pass it: onnx: { runtime: await import("onnxruntime-web") }.',
    onnx: onnx ?? {},
  });
}
