// Reads a tensor where nothing can be awaited, because the numbers decide how the pass goes on. Whatever can be awaited is read by `data()`.
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigError } from "./errors";

/**
 * The numbers of a tensor at once.
 *
 * @param x float32, any shape
 * @param reader who reads, as the subject of a sentence
 * @param advice what to do where that cannot be, a sentence
 * @returns its numbers, row-major
 * @throws ConfigError where the backend cannot be read without waiting: webgpu in Node
 * @example readNow(losses, "A budget mapping that looks at losses", "Choose another mapping or backend.")
 */
export function readNow(x: tf.Tensor, reader: string, advice: string): Float32Array {
  try {
    return x.dataSync<"float32">();
  } catch (cause) {
    throw new ConfigError(
      `${reader} reads within the pass, and this backend cannot be read without waiting. ${advice}`,
      { reader },
      { cause },
    );
  }
}
