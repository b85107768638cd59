// Batch normalisation by the statistics of a batch that several processes share (PyTorch's SyncBatchNorm). How numbers get from one process to
// another is not its business: a function that it is given sums over processes. norm.ts has the normalisation of one's own batch.
import * as tf from "@tensorflow/tfjs-core";
import { defineOperation } from "./kernels";
import { type Activation, type BatchNormOptions, batchNormGrad } from "./norm";
import { readNow } from "./read-now";

/**
 * Replaces an array by its sum over all processes, and is done when it returns. Each process calls it as often as the others, with as many
 * numbers.
 */
export type ReduceSum = (values: Float32Array) => void;

interface SyncedAttrs {
  readonly epsilon: number;
  readonly activation: Activation;
  readonly residual: boolean;
  readonly reduce: ReduceSum;
}

// The mean over processes of `values`, weighted by `count`, and the sum of all counts.
function weightedMean(
  reduce: ReduceSum,
  values: ArrayLike<number>,
  count: number,
): { mean: Float32Array; count: number } {
  const sent = Float32Array.from({ length: values.length + 1 }, (_, i) => (i === 0 ? count : values[i - 1]! * count));
  reduce(sent);
  return { mean: sent.subarray(1).map((v) => v / sent[0]!), count: sent[0]! };
}

const read = (x: tf.Tensor) =>
  readNow(x, "Batch normalisation across processes", "Choose another backend, or normalise each process's own batch.");

const countOf = (x: tf.Tensor) => x.size / x.shape[x.rank - 1]!;

const syncedOperation = defineOperation<SyncedAttrs>({
  name: "CaddetSyncedBatchNorm",
  compose: ({ x, scale, offset, residual }, { epsilon, activation, reduce }) => {
    const axes = x!.shape.map((_, i) => i).slice(0, -1);
    const n = countOf(x!);
    // First the mean, then the squares about it: a difference of large squares would lose the variance.
    const own = tf.moments(x!, axes);
    const ownMean = read(own.mean);
    const { mean, count } = weightedMean(reduce, ownMean, n);
    const squares = read(own.variance).map((v, c) => v + (ownMean[c]! - mean[c]!) ** 2);
    const variance = weightedMean(reduce, squares, n).mean;
    const moments = [tf.tensor1d(mean), tf.tensor1d(variance)] as const; // [C]
    const [m, v] = moments;
    const normalised = tf.batchNorm4d(x as tf.Tensor4D, m, v, offset as tf.Tensor1D, scale as tf.Tensor1D, epsilon);
    const sum = residual ? tf.add(normalised, residual) : normalised;
    return [activation === "relu" ? tf.relu(sum) : sum, ...moments, tf.scalar(count)];
  },
  gradient: {
    inputsToSave: ["x", "scale"],
    outputsToSave: [true, true, true, true],
    gradFunc: (dys, saved, { reduce, ...attrs }) => {
      const [x, scale, y, mean, variance, count] = saved as [
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
      ];
      const [own, dscale, doffset, dresidual] = batchNormGrad({ dy: dys[0]!, x, y, scale, mean, variance }, attrs);
      const dx = tf.tidy(() => {
        const [n, c] = [countOf(x), x.shape[x.rank - 1]!];
        const sums = read(tf.concat([doffset!, dscale!])); // [2C]
        const shared = sums.slice();
        reduce(shared);
        const [total] = read(count);
        // What the sums of all say instead of this process's own.
        const gaps = tf.tensor2d(
          sums.map((s, i) => s / n - shared[i]! / total!),
          [2, c],
        );
        const [shift, slope] = tf.unstack(gaps) as [tf.Tensor, tf.Tensor];
        const inverse = tf.rsqrt(tf.add(variance, attrs.epsilon)); // [C]
        const factor = tf.mul(scale, inverse);
        const correction = tf.add(
          tf.mul(tf.sub(x, mean), tf.mul(slope, tf.mul(inverse, factor))),
          tf.mul(shift, factor),
        );
        return tf.add(own!, correction);
      });
      own!.dispose();
      return { x: () => dx, scale: () => dscale!, offset: () => doffset!, residual: () => dresidual! };
    },
  },
});

/** Options of {@link syncedBatchNorm}. */
export interface SyncedBatchNormOptions extends BatchNormOptions {
  readonly reduce: ReduceSum;
}

/**
 * Normalises by the statistics of all processes' batches together, scales and shifts, adds a residual and activates. The gradient by x is that of
 * the sum of all processes' losses; those by scale and offset are this process's share, as for any other parameter.
 *
 * @param x `[B, H, W, C]`, whose B, H, W may differ between processes
 * @param scale `[C]`, alike in all processes
 * @param offset `[C]`, alike in all processes
 * @param options as for `batchNorm`, and how to sum over processes: twice forward, once backward
 * @returns y `[B, H, W, C]`, the mean and biased variance `[C]` over all processes (not differentiable), and how many values a
 * channel a process had of them on average
 * @throws ConfigError on a backend that cannot be read without waiting: webgpu in Node
 * @example syncedBatchNorm(x, scale, offset, { reduce: (values) => collective.allReduceSumNow([values]) }).y
 */
export function syncedBatchNorm(
  x: tf.Tensor4D,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  { epsilon = 1e-5, activation = "linear", residual, reduce }: SyncedBatchNormOptions,
): { y: tf.Tensor4D; mean: tf.Tensor1D; variance: tf.Tensor1D; count: number } {
  const inputs = { x, scale, offset, ...(residual ? { residual } : {}) };
  const attrs = { epsilon, activation, residual: residual !== undefined, reduce };
  const [y, mean, variance, count] = syncedOperation(inputs, attrs);
  const [n] = read(count!);
  count!.dispose();
  return { y: y as tf.Tensor4D, mean: mean as tf.Tensor1D, variance: variance as tf.Tensor1D, count: n! };
}
