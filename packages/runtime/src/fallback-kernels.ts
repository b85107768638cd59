// Compositions for kernels that training needs and that a backend may lack. Of TensorFlow.js 4.22's own backends (cpu,
// wasm, webgl, webgpu, tensorflow) only wasm lacks any, and `registerWasmKernels` brings those; what is here serves wasm
// without that call, and backends of others.
import * as tf from "@tensorflow/tfjs-core";

/** The gradient of a gather: a product with the one-hot segment ids. Ids out of range select nothing, as elsewhere. */
function unsortedSegmentSum(x: tf.Tensor, segmentIds: tf.Tensor, segments: number): tf.Tensor {
  const rows = segmentIds.size;
  const rest = x.shape.slice(segmentIds.rank);
  // A cast, because wasm's one-hot is int32 whatever type is asked for.
  const selected = tf.cast(tf.oneHot(tf.reshape(segmentIds, [rows]), segments), "float32"); // [rows, segments]
  const flat = tf.reshape(tf.cast(x, "float32"), [rows, x.size / rows]); // [rows, rest]
  const sums = tf.matMul(selected as tf.Tensor2D, flat as tf.Tensor2D, true); // [segments, rest]
  return tf.cast(tf.reshape(sums, [segments, ...rest]), x.dtype);
}

function configs(backendName: string): tf.KernelConfig[] {
  return [
    {
      kernelName: tf.UnsortedSegmentSum,
      backendName,
      kernelFunc: ({ inputs, attrs }) =>
        tf.tidy(() =>
          unsortedSegmentSum(inputs.x as tf.Tensor, inputs.segmentIds as tf.Tensor, attrs?.numSegments as number),
        ),
    },
  ];
}

/**
 * Registers compositions for the kernels that a backend lacks; what it has stays. Calling it again changes nothing.
 *
 * @param backendName TensorFlow.js' name of the backend; default: the current one
 * @returns the names of the kernels that were registered
 * @example
 * ```ts
 * await tf.setBackend("webgl");
 * registerFallbackKernels(); // []: webgl has all
 * ```
 */
export function registerFallbackKernels(backendName: string = tf.getBackend()): string[] {
  const missing = configs(backendName).filter(({ kernelName }) => !tf.getKernel(kernelName, backendName));
  for (const config of missing) tf.registerKernel(config);
  return missing.map(({ kernelName }) => kernelName);
}
