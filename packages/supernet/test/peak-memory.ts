// The most bytes that a function holds in tensors at once. Counted by buffers, not by tensors: clones share theirs, and
// `tf.memory().numBytes` counts each of them in full.
import * as tf from "@tensorflow/tfjs-core";

// Of TensorFlow.js' engine, which declares it as private.
interface Counted {
  trackTensor(tensor: tf.Tensor, backend: tf.KernelBackend): void;
  removeDataId(dataId: object, backend: tf.KernelBackend): void;
}

/** Runs a function and counts: the peak above what was held before, in bytes. */
export function peakBytes(run: () => void): number {
  const engine = tf.engine() as unknown as Counted;
  const { tensorInfo } = tf.engine().state;
  const { trackTensor, removeDataId } = engine;
  const sizes = new WeakMap<object, number>();
  let [held, peak] = [0, 0];
  engine.trackTensor = (tensor, backend) => {
    if (!tensorInfo.has(tensor.dataId)) {
      const bytes = tensor.size * tf.util.bytesPerElement(tensor.dtype);
      sizes.set(tensor.dataId, bytes);
      held += bytes;
      peak = Math.max(peak, held);
    }
    trackTensor.call(engine, tensor, backend);
  };
  engine.removeDataId = (dataId, backend) => {
    held -= sizes.get(dataId) ?? 0;
    sizes.delete(dataId);
    removeDataId.call(engine, dataId, backend);
  };
  try {
    run();
    return peak;
  } finally {
    Object.assign(engine, { trackTensor, removeDataId });
  }
}
