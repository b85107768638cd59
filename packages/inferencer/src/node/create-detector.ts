// createDetector and createInferencer for Node: models from folders and files, images from paths and bytes, a backend chosen by
// @caddet/runtime, onnxruntime-node where it is installed.
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { type DetectorOptions, openDetector } from "../create-detector";
import { type Inferencer, type InferencerOptions, inferencerFor } from "../inferencer";
import type { OnnxEngineOptions, OnnxRuntime } from "../onnx-engine";
import { type NodeImageInput, openInput } from "./image-input";
import { type ModelSource, readModel } from "./model-source";

/** Options of {@link createDetector}: one of `run` and `file`, and what can be told of engine, images and batches. */
export interface CreateDetectorOptions extends ModelSource, DetectorOptions {
  /**
   * The backend that TensorFlow.js is brought to, "auto" for the best that works here. Default: the current one, and "auto" where none
   * is. An ONNX file needs none.
   */
  readonly backend?: BackendName | "auto";
  /** onnxruntime's providers and threads; `runtime` is onnxruntime-node by default. */
  readonly onnx?: Partial<OnnxEngineOptions>;
}

async function prepared(backend: BackendName | "auto" | undefined): Promise<string> {
  const current = tf.getBackend();
  if (backend === undefined && current) return current;
  const { name, device } = await prepareBackend(backend === undefined ? {} : { backend });
  return `${name} on ${device}`;
}

async function onnxruntimeNode(): Promise<OnnxRuntime | undefined> {
  try {
    return await import("onnxruntime-node");
  } catch {
    return undefined; // not installed, or without a binary for this machine
  }
}

/**
 * Makes a detector of a run or a model file.
 *
 * @param options run or file, engine and backend, and how images are prepared where that differs from the training
 * @returns the inferencer, which takes paths and bytes of image files, too; close it when done
 * @throws CheckpointError when the model is missing, cut, changed, of another format, or has weights that are not finite; ConfigError
 *   when an option is not usable, an engine is not known, not installed or cannot run the file, or the file does not say how images
 *   were prepared; RuntimeError when the backend is not there
 * @example
 * ```ts
 * const detector = await createDetector({ run: "runs/street" });
 * const { objects } = await detector.detect("street.jpg", { threshold: 0.5 });
 * await detector.close();
 * ```
 */
export async function createDetector(options: CreateDetectorOptions): Promise<Inferencer<NodeImageInput>> {
  const { run, file, backend, onnx = {}, ...rest } = options;
  const model = await readModel({ ...(run === undefined ? {} : { run }), ...(file === undefined ? {} : { file }) });
  return openDetector(model, rest, {
    open: openInput,
    prepareBackend: () => prepared(backend),
    loadRuntime: async () => onnx.runtime ?? (await onnxruntimeNode()),
    runtimeHint: "Run `npm install onnxruntime-node`.",
    onnx,
  });
}

/**
 * Makes an inferencer as `createInferencer` of @caddet/inferencer does, which takes paths and bytes of image files, too.
 *
 * @param options engine or detector, classes, and how images are prepared and put together
 * @returns the inferencer; close it when done, before the detector is disposed
 * @throws as there
 * @example await createInferencer({ detector, classes, size: { shorter: 600, longer: 1000 } }).detect("street.jpg")
 */
export function createInferencer(options: InferencerOptions): Inferencer<NodeImageInput> {
  return inferencerFor(options, openInput);
}
