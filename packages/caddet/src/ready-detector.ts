// From a model's file to a detector that is ready: which engine, which backend, and what they are called.
import type { Inferencer } from "@caddet/inferencer";
import { createDetector, type NodeImageInput } from "@caddet/inferencer/node";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { parts } from "./parts";
import type { RunFile } from "./run-file";

/** What the command line can be told of an engine. */
export interface EngineOptions {
  readonly engine: "auto" | "tfjs" | "onnx";
  readonly backend: BackendName | "auto";
  /** Of onnxruntime. */
  readonly threads?: number;
  /** Most images that run together. */
  readonly batch?: number;
}

/** A detector that is ready. */
export interface ReadyDetector {
  readonly inferencer: Inferencer<NodeImageInput>;
  /** What computes, in words. */
  readonly device: string;
  /** TensorFlow.js' backend; null on another engine. */
  readonly backend: BackendName | null;
}

/**
 * Makes a detector of a model's file.
 *
 * @param run the file
 * @param options engine, backend, threads, images a batch. A backend that is named means TensorFlow.js, unless an engine is named, too
 */
export async function startDetector(run: RunFile, options: EngineOptions): Promise<ReadyDetector> {
  const { threads, batch } = options;
  const engine = options.engine === "auto" && options.backend !== "auto" ? "tfjs" : options.engine;
  // Weights of a .safetensors file go through TensorFlow.js, whatever runs them afterwards.
  const backend = run.format === "safetensors" ? await prepareBackend({ backend: options.backend }) : undefined;
  const inferencer = await createDetector({
    parts,
    file: run.file,
    engine,
    ...(threads === undefined ? {} : { onnx: { threads } }),
    ...(batch === undefined ? {} : { batch: { images: batch } }),
  });
  if (!backend || inferencer.engine !== "tfjs") return { inferencer, device: inferencer.device, backend: null };
  return { inferencer, device: `${backend.name} on ${backend.device}`, backend: backend.name };
}
