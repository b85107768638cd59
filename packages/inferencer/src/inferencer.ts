// A detector that takes images and gives boxes in their own coordinates: resize and pad, network, boxes of a class table. What computes
// is an engine's business, what an image is that of ./sources; here they meet, within a bound on memory, in batches.
import {
  CaddetError,
  ConfigError,
  IMAGENET_NORMALISATION,
  type Normalisation,
  type Size,
  type TargetSize,
} from "@caddet/core";
import type { ClassEntry, Detector } from "@caddet/detector";
import { untilAborted } from "./abort";
import { createByteBudget } from "./byte-budget";
import { type DetectEachOptions, detectEach, type EachResult } from "./detect-each";
import type { Engine } from "./engine";
import { checkedOptions, countOpen, type DetectOptions, type InferenceResult, objectsOf } from "./inference-result";
import { createPreparer } from "./prepared-image";
import { createScheduler, type SchedulerOptions } from "./scheduler";
import { type ImageInput, type ImageSource, toImageSource } from "./sources";
import { createTfjsEngine } from "./tfjs-engine";

/** How images are put together. */
export interface BatchOptions {
  /** Most images in a batch, an integer from 1. Default what the engine gains from: 1 on a CPU. */
  readonly images?: number;
  /**
   * Bound on the prepared pixels that wait or run, bytes; images beyond it are not prepared yet. An image that alone is larger goes
   * alone. Default 256 MiB.
   */
  readonly bytes?: number;
  /** How long an image waits for others of its input size while the engine is free, milliseconds. Default 0. */
  readonly delayMs?: number;
}

/** How images are prepared and put together: what all inferencers can be told. */
export interface PreparationOptions {
  /** Bounds of the shorter and the longer side of the network's input, pixels. */
  readonly size: TargetSize;
  /** Both sides of the input are padded to multiples of this. Default 64. */
  readonly padTo?: number;
  /** Default ImageNet's. */
  readonly normalise?: Normalisation;
  readonly batch?: BatchOptions;
}

/** Options of {@link createInferencer}: an engine, or a detector for TensorFlow.js' current backend. */
export type InferencerOptions = PreparationOptions & {
  /** By class index. */
  readonly classes: readonly ClassEntry[];
} & (
    | {
        /** The inferencer's from now on: `close()` disposes it. */
        readonly engine: Engine;
        readonly detector?: undefined;
        readonly freeze?: undefined;
      }
    | {
        /** Stays the caller's. */
        readonly detector: Detector;
        readonly engine?: undefined;
        /** See `createTfjsEngine`. Default true. */
        readonly freeze?: boolean;
      }
  );

/** A detector on images. */
export interface Inferencer<Input = ImageInput> {
  /** The engine's name: "tfjs" or "onnx". */
  readonly engine: string;
  /** What computes, in words. */
  readonly device: string;
  /** By class index. */
  readonly classes: readonly ClassEntry[];
  /** Detects objects in several images; fails with the first that does. */
  detect(images: readonly Input[], options?: DetectOptions): Promise<InferenceResult[]>;
  /** Detects objects in an image. Calls may overlap: their images share batches. */
  detect(image: Input, options?: DetectOptions): Promise<InferenceResult>;
  /** Detects objects in what an iterable gives, in its order; reading, network and suppression overlap. */
  detectEach<Image extends Input>(
    images: Iterable<Image> | AsyncIterable<Image>,
    options?: DetectEachOptions<Image>,
  ): AsyncIterable<EachResult<Image>>;
  /** Makes the first image as fast as those that follow. `size` is that of the images to come, in their own pixels. */
  warmup(size: Size): Promise<void>;
  /** Frees what the inferencer made, once calls under way have ended; later ones are refused. */
  close(): Promise<void>;
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULT_BYTES = 256 * 2 ** 20;

function checkedBatch(
  { images, bytes = DEFAULT_BYTES, delayMs = 0 }: BatchOptions,
  engine: Engine,
): SchedulerOptions & { readonly bytes: number } {
  const most = images ?? engine.preferredBatch;
  if (!(Number.isInteger(most) && most >= 1)) {
    throw new ConfigError(`batch.images is an integer from 1, got ${most}.`, { images: most });
  }
  if (!(bytes >= 1)) throw new ConfigError(`batch.bytes is a number from 1, got ${bytes}.`, { bytes });
  if (!(delayMs >= 0 && Number.isFinite(delayMs))) {
    throw new ConfigError(`batch.delayMs is a number of milliseconds from 0, got ${delayMs}.`, { delayMs });
  }
  return { images: most, bytes, delayMs };
}

function checkClasses(classes: readonly ClassEntry[], { numClasses = classes.length }: Engine): void {
  if (classes.length === numClasses) return;
  throw new ConfigError(
    `The detector has ${numClasses} classes, the class table ${classes.length}. Pass the table that it was trained with.`,
    { detector: numClasses, table: classes.length },
  );
}

/** What an inferencer is made of, once there is an engine. */
export interface InferencerParts<Input> extends PreparationOptions {
  readonly engine: Engine;
  readonly classes: readonly ClassEntry[];
  /** Opens an image; may take its time. */
  readonly open: (image: Input) => ImageSource | Promise<ImageSource>;
}

/** Makes an inferencer that takes images of a kind; see {@link createInferencer}. */
export function inferencerOf<Input>(parts: InferencerParts<Input>): Inferencer<Input> {
  const { engine, classes, open, size: target, padTo = 64, normalise = IMAGENET_NORMALISATION } = parts;
  const { bytes, ...batching } = checkedBatch(parts.batch ?? {}, engine);
  checkClasses(classes, engine);
  const preparer = createPreparer({ target, padTo, normalise, fixedInput: engine.fixedInput });
  const budget = createByteBudget(bytes);
  const scheduler = createScheduler(engine, batching);
  const underWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  const detectOn = async (image: Input, options: DetectOptions): Promise<InferenceResult> => {
    const { signal } = options;
    const wanted = checkedOptions(options);
    const opening = performance.now();
    const source = await open(image);
    const opened = performance.now() - opening;
    const fit = preparer.fit(source);
    const release = await budget.take(fit.input.height * fit.input.width * 12, signal);
    const started = performance.now();
    let values: Float32Array;
    try {
      values = await preparer.prepare(source, fit);
    } catch (error) {
      release();
      throw error;
    }
    const prepared = performance.now() - started;
    const { detections, madds, gates, ms, batch } = await scheduler.run({ ...fit, values, release }, signal);
    return {
      objects: objectsOf(detections, classes, wanted),
      source: { height: source.height, width: source.width },
      input: fit.input,
      ...(madds !== undefined && gates ? { madds, gates, openPaths: countOpen(gates) } : {}),
      batch,
      ms: opened + prepared + ms,
    };
  };

  // Runs a call unless closed or aborted. What it started is waited for by close(), even where the caller no longer does.
  const call = async <T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    if (closing) throw new CaddetError("closed", "This inferencer was closed; make another one.");
    signal?.throwIfAborted();
    const task = run();
    underWay.add(task);
    const end = () => underWay.delete(task);
    task.then(end, end);
    return untilAborted(task, signal);
  };
  const detectOne = (image: Input, options: DetectOptions) => call(() => detectOn(image, options), options.signal);
  const each = <Image extends Input>(
    images: Iterable<Image> | AsyncIterable<Image>,
    { ahead = Math.max(4, 2 * batching.images), ...options }: DetectEachOptions<Image>,
  ) => detectEach(images, (image, signal) => detectOne(image, { ...options, signal }), { ...options, ahead });
  const detectAll = async (images: readonly Input[], options: DetectOptions) => {
    const results: InferenceResult[] = [];
    for await (const { index: _, image: __, ...result } of each(images, options)) results.push(result);
    return results;
  };
  function detect(images: readonly Input[], options?: DetectOptions): Promise<InferenceResult[]>;
  function detect(image: Input, options?: DetectOptions): Promise<InferenceResult>;
  function detect(images: Input | readonly Input[], options: DetectOptions = {}): Promise<unknown> {
    return Array.isArray(images) ? detectAll(images, options) : detectOne(images as Input, options);
  }
  const close = () => {
    closing ??= Promise.allSettled([...underWay]).then(() => engine.dispose());
    return closing;
  };

  return {
    engine: engine.name,
    device: engine.device,
    classes,
    detect,
    detectEach: (images, options = {}) => each(images, options),
    warmup: (size) => call(async () => engine.warmup(preparer.fit(checkedSize(size)).input)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function checkedSize({ height, width }: Size): Size {
  return toImageSource({ height, width, render: async () => new Uint8Array() });
}

/**
 * Makes an inferencer.
 *
 * @param options engine or detector, classes, how images are prepared (as for the detector's training) and put together
 * @returns the inferencer; close it when done, before the detector is disposed
 * @throws ConfigError when an option is not usable or the class table has another length; `detect` throws what `toImageSource` throws,
 *   ConfigError when an option is out of range, the signal's reason, and CaddetError with code `closed` after `close()`
 * @example await createInferencer({ detector, classes, size: { shorter: 600, longer: 1000 } }).detect(image)
 */
export function createInferencer(options: InferencerOptions): Inferencer {
  return inferencerFor(options, toImageSource);
}

/** {@link createInferencer} for images of a kind. */
export function inferencerFor<Input>(
  options: InferencerOptions,
  open: InferencerParts<Input>["open"],
): Inferencer<Input> {
  const { detector, freeze = true, engine: given, ...rest } = options;
  if (given) return inferencerOf({ ...rest, engine: given, open });
  const engine = createTfjsEngine(detector, { freeze });
  try {
    return inferencerOf({ ...rest, engine, open });
  } catch (error) {
    void engine.dispose();
    throw error;
  }
}
