// Batch and group normalisation with an optional residual and ReLU behind them, as one operation each with its gradient
// (Ioffe and Szegedy 2015; Wu and He 2018). Layers with weights are in layers.ts.
import * as tf from "@tensorflow/tfjs-core";
import { defineOperation, type KernelInputs } from "./kernels";

/** What follows a normalisation. */
export type Activation = "linear" | "relu";

interface NormAttrs {
  readonly epsilon: number;
  readonly activation: Activation;
}

interface BatchNormAttrs extends NormAttrs {
  readonly residual: boolean;
}

interface GroupNormAttrs extends NormAttrs {
  readonly groups: number;
}

const activate = (x: tf.Tensor, activation: Activation) => (activation === "relu" ? tf.relu(x) : x);

// d loss / d (activation's input)
const maskedGradient = (dy: tf.Tensor, y: tf.Tensor, activation: Activation) =>
  activation === "relu" ? tf.mul(dy, tf.step(y)) : dy;

/** The gradients of a batch normalisation by given moments, as if they were those of x. */
export const batchNormGrad = defineOperation<BatchNormAttrs>({
  name: "CaddetBatchNormGrad",
  compose: ({ dy, x, y, scale, mean, variance }, { epsilon, activation, residual }) => {
    const axes = x!.shape.map((_, i) => i).slice(0, -1);
    const n = x!.size / x!.shape[x!.rank - 1]!;
    const g = maskedGradient(dy!, y!, activation); // [..., C]
    const inverse = tf.rsqrt(tf.add(variance!, epsilon)); // [C]
    const normalised = tf.mul(tf.sub(x!, mean!), inverse); // [..., C]
    const doffset = tf.sum(g, axes);
    const dscale = tf.sum(tf.mul(g, normalised), axes);
    const centred = tf.sub(g, tf.div(tf.add(doffset, tf.mul(normalised, dscale)), n));
    const dx = tf.mul(centred, tf.mul(scale!, inverse));
    return residual ? [dx, dscale, doffset, tf.clone(g)] : [dx, dscale, doffset];
  },
});

// What an activation gets, without a residual.
function normalised(
  inputs: Readonly<Record<"x" | "scale" | "offset" | "mean" | "variance", tf.Tensor>>,
  epsilon: number,
) {
  const { x, scale, offset, mean, variance } = inputs;
  const factor = tf.mul(scale, tf.rsqrt(tf.add(variance, epsilon))); // [C]
  return tf.add(tf.mul(tf.sub(x, mean), factor), offset);
}

function composeBatchNorm(
  { x, scale, offset, residual }: KernelInputs,
  { epsilon, activation }: NormAttrs,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const axes = x!.shape.map((_, i) => i).slice(0, -1);
  const { mean, variance } = tf.moments(x!, axes);
  const value = normalised({ x: x!, scale: scale!, offset: offset!, mean, variance }, epsilon);
  return [activate(residual ? tf.add(value, residual) : value, activation), mean, variance];
}

const batchNormOperation = defineOperation<BatchNormAttrs>({
  name: "CaddetBatchNorm",
  compose: composeBatchNorm,
  gradient: {
    inputsToSave: ["x", "scale"],
    outputsToSave: [true, true, true],
    gradFunc: (dys, saved, attrs) => {
      const [x, scale, y, mean, variance] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const [dx, dscale, doffset, dresidual] = batchNormGrad({ dy: dys[0]!, x, y, scale, mean, variance }, attrs);
      return { x: () => dx!, scale: () => dscale!, offset: () => doffset!, residual: () => dresidual! };
    },
  },
});

const leanBatchNormGrad = defineOperation<NormAttrs>({
  name: "CaddetLeanBatchNormGrad",
  compose: ({ dy, x, scale, offset, mean, variance }, attrs) => {
    const inputs = { x: x!, scale: scale!, offset: offset!, mean: mean!, variance: variance! };
    const y = normalised(inputs, attrs.epsilon);
    return batchNormGrad({ dy: dy!, y, ...inputs }, { ...attrs, residual: false });
  },
});

// Without a residual, what the activation got follows from x, the moments and two vectors: y need not be kept. A backend's kernel for it has
// to find the same value again, or the gradient of a ReLU is that of another function where y is almost 0.
const leanBatchNormOperation = defineOperation<NormAttrs>({
  name: "CaddetLeanBatchNorm",
  compose: composeBatchNorm,
  gradient: {
    inputsToSave: ["x", "scale", "offset"],
    outputsToSave: [false, true, true],
    gradFunc: (dys, saved, attrs) => {
      const [x, scale, offset, mean, variance] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const [dx, dscale, doffset] = leanBatchNormGrad({ dy: dys[0]!, x, scale, offset, mean, variance }, attrs);
      return { x: () => dx!, scale: () => dscale!, offset: () => doffset! };
    },
  },
});

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  /** Added to the variance, default 1e-5. */
  readonly epsilon?: number;
  /** What follows, default "linear". */
  readonly activation?: Activation;
  /** Added before the activation; same shape as x. */
  readonly residual?: tf.Tensor4D;
}

/**
 * Normalises by the statistics of the batch, scales and shifts, adds a residual and activates.
 *
 * @param x `[B, H, W, C]`
 * @param scale `[C]`
 * @param offset `[C]`
 * @returns y `[B, H, W, C]`, and the batch's mean and biased variance `[C]` (not differentiable)
 * @example batchNorm(x, scale, offset, { activation: "relu" }).y
 */
export function batchNorm(
  x: tf.Tensor4D,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  { epsilon = 1e-5, activation = "linear", residual }: BatchNormOptions = {},
): { y: tf.Tensor4D; mean: tf.Tensor1D; variance: tf.Tensor1D } {
  // libtensorflow's gradient masks by y: to find it again would be one more pass over the maps there.
  const isLean = !residual && tf.getBackend() !== "tensorflow";
  const [y, mean, variance] = isLean
    ? leanBatchNormOperation({ x, scale, offset }, { epsilon, activation })
    : batchNormOperation(residual ? { x, scale, offset, residual } : { x, scale, offset }, {
        epsilon,
        activation,
        residual: residual !== undefined,
      });
  return { y: y as tf.Tensor4D, mean: mean as tf.Tensor1D, variance: variance as tf.Tensor1D };
}

const movingMomentsOperation = defineOperation<{ readonly momentum: number; readonly unbias: number }>({
  name: "CaddetMovingMoments",
  compose: ({ runningMean, runningVariance, mean, variance }, { momentum, unbias }) => [
    tf.add(tf.mul(runningMean!, 1 - momentum), tf.mul(mean!, momentum)),
    tf.add(tf.mul(runningVariance!, 1 - momentum), tf.mul(variance!, momentum * unbias)),
  ],
});

/** Running moments and those of a batch, all `[C]`. */
export interface Moments {
  readonly runningMean: tf.Tensor1D;
  readonly runningVariance: tf.Tensor1D;
  readonly mean: tf.Tensor1D;
  /** Biased. */
  readonly variance: tf.Tensor1D;
}

/**
 * Moves running moments towards those of a batch, by PyTorch's rule: the running variance follows the unbiased one.
 *
 * @param moments running ones and the batch's
 * @param momentum the batch's weight
 * @param n values a channel in the batch
 * @returns the next running mean and variance, the caller's
 * @example moveMoments({ runningMean, runningVariance, mean, variance }, 0.1, 2 * 80 * 100)
 */
export function moveMoments(moments: Moments, momentum: number, n: number): [tf.Tensor1D, tf.Tensor1D] {
  const unbias = n > 1 ? n / (n - 1) : 1;
  return movingMomentsOperation({ ...moments }, { momentum, unbias }) as [tf.Tensor1D, tf.Tensor1D];
}

const groupNormGrad = defineOperation<GroupNormAttrs>({
  name: "CaddetGroupNormGrad",
  compose: ({ dy, x, y, scale, mean, variance }, { groups, epsilon, activation }) => {
    const [b, h, w, c] = x!.shape as [number, number, number, number];
    const per = c / groups;
    const split = [b, h * w, groups, per];
    const n = h * w * per;
    const g = tf.reshape(maskedGradient(dy!, y!, activation), split);
    const m = tf.reshape(mean!, [b, 1, groups, 1]);
    const inverse = tf.rsqrt(tf.add(tf.reshape(variance!, [b, 1, groups, 1]), epsilon));
    const normalised = tf.mul(tf.sub(tf.reshape(x!, split), m), inverse);
    const doffset = tf.reshape(tf.sum(g, [0, 1]), [c]);
    const dscale = tf.reshape(tf.sum(tf.mul(g, normalised), [0, 1]), [c]);
    const dn = tf.mul(g, tf.reshape(scale!, [1, 1, groups, per]));
    const sum = tf.sum(dn, [1, 3], true);
    const dot = tf.sum(tf.mul(dn, normalised), [1, 3], true);
    const dx = tf.mul(tf.sub(dn, tf.div(tf.add(sum, tf.mul(normalised, dot)), n)), inverse);
    return [tf.reshape(dx, x!.shape), dscale, doffset];
  },
});

const groupNormOperation = defineOperation<GroupNormAttrs>({
  name: "CaddetGroupNorm",
  compose: ({ x, scale, offset }, { groups, epsilon, activation }) => {
    const [b, h, w, c] = x!.shape as [number, number, number, number];
    const split = tf.reshape(x!, [b, h * w, groups, c / groups]);
    const { mean, variance } = tf.moments(split, [1, 3], true); // [B, 1, G, 1]
    const normalised = tf.mul(tf.sub(split, mean), tf.rsqrt(tf.add(variance, epsilon)));
    const y = tf.add(tf.mul(tf.reshape(normalised, x!.shape), scale!), offset!);
    return [activate(y, activation), tf.reshape(mean, [b, groups]), tf.reshape(variance, [b, groups])];
  },
  gradient: {
    inputsToSave: ["x", "scale"],
    outputsToSave: [true, true, true],
    gradFunc: (dys, saved, attrs) => {
      const [x, scale, y, mean, variance] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const [dx, dscale, doffset] = groupNormGrad({ dy: dys[0]!, x, y, scale, mean, variance }, attrs);
      return { x: () => dx!, scale: () => dscale!, offset: () => doffset! };
    },
  },
});

/** Options of {@link groupNorm}. */
export interface GroupNormOptions {
  /** How many groups the channels form; divides C. */
  readonly groups: number;
  /** Added to the variance, default 1e-5. */
  readonly epsilon?: number;
  /** What follows, default "linear". */
  readonly activation?: Activation;
}

/**
 * Normalises each image by the statistics of each group of channels, scales, shifts and activates.
 *
 * @param x `[B, H, W, C]`
 * @param scale `[C]`
 * @param offset `[C]`
 * @returns `[B, H, W, C]`
 * @example groupNorm(x, scale, offset, { groups: 32, activation: "relu" })
 */
export function groupNorm(
  x: tf.Tensor4D,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  { groups, epsilon = 1e-5, activation = "linear" }: GroupNormOptions,
): tf.Tensor4D {
  return tf.tidy(() => groupNormOperation({ x, scale, offset }, { groups, epsilon, activation })[0] as tf.Tensor4D);
}
