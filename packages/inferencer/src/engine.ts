// What runs the network: the seam between an inferencer, which knows images, and TensorFlow.js or onnxruntime, which know tensors.
import type { Detections, ImageSize, Size } from "@caddet/core";

/** Images as the network takes them: resized, normalised, padded to one size. */
export interface EngineBatch {
  /** `[B * H * W * 3]`; padding is 0. */
  readonly values: Float32Array;
  /** H and W, pixels. */
  readonly input: Size;
  /** `[B]`: the part of the input that each image fills, and its scale. */
  readonly sizes: readonly ImageSize[];
}

/** What a batch gave. */
export interface EngineAnswer {
  /** `[B]`: boxes in source pixels, best first. */
  readonly detections: readonly Detections[];
  /** `[B * P]`: gates as decided on, closed paths 0; absent for a static backbone. */
  readonly gates?: Float32Array;
  /** `[B]`: executed MAdds of blocks and paths; absent for a static backbone. */
  readonly madds?: Float64Array;
}

/** Runs a detector's network on batches. */
export interface Engine {
  /** Such as "tfjs" or "onnx". */
  readonly name: string;
  /** What computes, in words: "wasm", "onnxruntime-node 1.30.0 on cpu, 2 threads". */
  readonly device: string;
  /** Images that a batch gains from: 1 where a batch is no faster than its images one by one. */
  readonly preferredBatch: number;
  /** Classes that it tells apart, where it knows; a class table of another length is refused then. */
  readonly numClasses?: number;
  /** The one input size that it takes, where it takes no other: images are made to fit in, and padded to it. */
  readonly fixedInput?: Size;
  /** MAdds of blocks and paths with all paths open, batch 1, where that is known: what the first images are expected to cost. */
  allOpenMadds?(input: Size): number;
  /** Runs a batch. Calls may overlap; none blocks on a synchronous read. */
  run(batch: EngineBatch): Promise<EngineAnswer>;
  /** Makes the first batch of an input size as fast as those that follow. */
  warmup(input: Size): Promise<void>;
  /** Frees what the engine made. No call is under way then, and none follows. */
  dispose(): Promise<void>;
}
