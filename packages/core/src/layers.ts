// Layers with weights: convolutions, normalisations and the linear map. NHWC, weights in TensorFlow's layout, seeded init.
import * as tf from "@tensorflow/tfjs-core";
import { isRecomputing } from "./checkpointed";
import { conv2d, depthwiseConv2d } from "./convolution";
import { Module } from "./module";
import { type Activation, batchNorm, groupNorm, moveMoments } from "./norm";
import type { Random } from "./random";
import { type ReduceSum, type SyncedBatchNormOptions, syncedBatchNorm } from "./synced-norm";

/** How a weight starts: He's normal rule over its inputs, or a normal of the given standard deviation. */
export type WeightInit = "kaiming" | { readonly std: number };

function initial<S extends [number, number] | [number, number, number, number]>(
  shape: S,
  fanIn: number,
  init: WeightInit,
  random: Random,
): S extends [number, number] ? tf.Tensor2D : tf.Tensor4D {
  const std = init === "kaiming" ? Math.sqrt(2 / fanIn) : init.std;
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => std * random.normal()),
    shape,
  ) as S extends [number, number] ? tf.Tensor2D : tf.Tensor4D;
}

/** Options of {@link Conv}. */
export interface ConvOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Odd, default 1. */
  readonly kernelSize?: number;
  /** Default 1. */
  readonly stride?: number;
  /** Start value of the bias, or false for none. Default 0. */
  readonly bias?: number | false;
  /** Default "kaiming". */
  readonly init?: WeightInit;
  readonly random: Random;
}

/** A convolution with symmetric padding. Parameters: `weight [k, k, Cin, Cout]`, `bias [Cout]`. */
export class Conv extends Module {
  readonly weight: tf.Variable<tf.Rank.R4>;
  readonly bias: tf.Variable<tf.Rank.R1> | undefined;
  readonly stride: number;

  constructor({
    inChannels,
    outChannels,
    kernelSize = 1,
    stride = 1,
    bias = 0,
    init = "kaiming",
    random,
  }: ConvOptions) {
    super();
    const fanIn = kernelSize * kernelSize * inChannels;
    const shape: [number, number, number, number] = [kernelSize, kernelSize, inChannels, outChannels];
    this.weight = this.parameter("weight", initial(shape, fanIn, init, random), "weight");
    if (bias !== false) this.bias = this.parameter("bias", tf.fill<tf.Rank.R1>([outChannels], bias), "bias");
    this.stride = stride;
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    const { weight, bias, stride } = this;
    return bias ? tf.tidy(() => tf.add(conv2d(x, weight, stride), bias)) : conv2d(x, weight, stride);
  }
}

/** Options of {@link DepthwiseConv}. */
export interface DepthwiseConvOptions {
  readonly channels: number;
  /** Odd, default 3. */
  readonly kernelSize?: number;
  /** Default 1. */
  readonly stride?: number;
  readonly random: Random;
}

/** A depthwise convolution with symmetric padding and no bias. Parameter: `weight [k, k, C, 1]`. */
export class DepthwiseConv extends Module {
  readonly weight: tf.Variable<tf.Rank.R4>;
  readonly stride: number;

  constructor({ channels, kernelSize = 3, stride = 1, random }: DepthwiseConvOptions) {
    super();
    const shape: [number, number, number, number] = [kernelSize, kernelSize, channels, 1];
    this.weight = this.parameter("weight", initial(shape, kernelSize * kernelSize, "kaiming", random), "weight");
    this.stride = stride;
  }

  /** Maps `[B, H, W, C]` to `[B, ceil(H / stride), ceil(W / stride), C]`. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return depthwiseConv2d(x, this.weight, this.stride);
  }
}

/** Options of {@link BatchNorm}. */
export interface BatchNormLayerOptions {
  /** Added to the variance, default 1e-5. */
  readonly epsilon?: number;
  /** Weight of the newest batch in the running moments, default 0.1. */
  readonly momentum?: number;
}

/** What a call of {@link BatchNorm} does besides normalising. */
export interface BatchNormApplyOptions {
  /** Batch statistics, and an update of the running ones; otherwise the running ones are used. */
  readonly training: boolean;
  /** Default "linear". */
  readonly activation?: Activation;
  /** Added before the activation. */
  readonly residual?: tf.Tensor4D;
}

/** Batch normalisation. Parameters `weight`, `bias`; buffers `runningMean`, `runningVariance`; all `[C]`. */
export class BatchNorm extends Module {
  readonly weight: tf.Variable<tf.Rank.R1>;
  readonly bias: tf.Variable<tf.Rank.R1>;
  readonly runningMean: tf.Variable<tf.Rank.R1>;
  readonly runningVariance: tf.Variable<tf.Rank.R1>;
  readonly epsilon: number;
  /** Share of a batch's moments in the running ones after a call in training. */
  momentum: number;
  /** Whether training, too, normalises by the running moments, which then stay as they are. */
  frozen = false;
  /** Sums over processes that train together; with it, their batches are normalised as one. Default none. */
  reduce: ReduceSum | undefined;

  constructor(channels: number, { epsilon = 1e-5, momentum = 0.1 }: BatchNormLayerOptions = {}) {
    super();
    this.weight = this.parameter("weight", tf.ones<tf.Rank.R1>([channels]), "norm");
    this.bias = this.parameter("bias", tf.zeros<tf.Rank.R1>([channels]), "norm");
    this.runningMean = this.buffer("runningMean", tf.zeros<tf.Rank.R1>([channels]));
    this.runningVariance = this.buffer("runningVariance", tf.ones<tf.Rank.R1>([channels]));
    this.epsilon = epsilon;
    this.momentum = momentum;
  }

  /** Maps `[B, H, W, C]` to the same shape. */
  apply(x: tf.Tensor4D, { training, activation = "linear", residual }: BatchNormApplyOptions): tf.Tensor4D {
    const { weight, bias, runningMean, runningVariance, epsilon } = this;
    if (!training || this.frozen) {
      return tf.tidy(() => {
        const normalised = tf.batchNorm4d(x, runningMean, runningVariance, bias, weight, epsilon);
        const y = residual ? tf.add(normalised, residual) : normalised;
        return (activation === "relu" ? tf.relu(y) : y) as tf.Tensor4D;
      });
    }
    const options = { epsilon, activation, ...(residual ? { residual } : {}) };
    if (this.reduce) return this.#synced(x, { ...options, reduce: this.reduce });
    const { y, mean, variance } = batchNorm(x, weight, bias, options);
    this.#follow(mean, variance, x.size / x.shape[3]);
    tf.dispose([mean, variance]);
    return y;
  }

  #synced(x: tf.Tensor4D, options: SyncedBatchNormOptions): tf.Tensor4D {
    const { y, mean, variance, count } = syncedBatchNorm(x, this.weight, this.bias, options);
    this.#follow(mean, variance, count);
    tf.dispose([mean, variance]);
    return y;
  }

  #follow(mean: tf.Tensor1D, variance: tf.Tensor1D, n: number): void {
    if (isRecomputing()) return;
    const { momentum, runningMean, runningVariance } = this;
    tf.tidy(() => {
      const [nextMean, nextVariance] = moveMoments({ runningMean, runningVariance, mean, variance }, momentum, n);
      runningMean.assign(nextMean);
      runningVariance.assign(nextVariance);
    });
  }
}

/** Group normalisation. Parameters `weight`, `bias`, both `[C]`. */
export class GroupNorm extends Module {
  readonly weight: tf.Variable<tf.Rank.R1>;
  readonly bias: tf.Variable<tf.Rank.R1>;
  readonly groups: number;
  readonly epsilon: number;

  constructor(channels: number, groups: number, epsilon = 1e-5) {
    super();
    this.weight = this.parameter("weight", tf.ones<tf.Rank.R1>([channels]), "norm");
    this.bias = this.parameter("bias", tf.zeros<tf.Rank.R1>([channels]), "norm");
    this.groups = groups;
    this.epsilon = epsilon;
  }

  /** Maps `[B, H, W, C]` to the same shape. */
  apply(x: tf.Tensor4D, { activation = "linear" }: { readonly activation?: Activation } = {}): tf.Tensor4D {
    return groupNorm(x, this.weight, this.bias, { groups: this.groups, epsilon: this.epsilon, activation });
  }
}

/** Options of {@link Linear}. */
export interface LinearOptions {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Start value of the bias, default 0. */
  readonly bias?: number;
  /** Default: normal with standard deviation 1 / sqrt(3 · inFeatures), the variance of PyTorch's uniform default. */
  readonly init?: WeightInit;
  readonly random: Random;
}

/** A linear map. Parameters `weight [in, out]`, `bias [out]`. */
export class Linear extends Module {
  readonly weight: tf.Variable<tf.Rank.R2>;
  readonly bias: tf.Variable<tf.Rank.R1>;

  constructor({ inFeatures, outFeatures, bias = 0, init, random }: LinearOptions) {
    super();
    const rule = init ?? { std: 1 / Math.sqrt(3 * inFeatures) };
    const value = initial([inFeatures, outFeatures], inFeatures, rule, random);
    this.weight = this.parameter("weight", value, "weight");
    this.bias = this.parameter("bias", tf.fill<tf.Rank.R1>([outFeatures], bias), "bias");
  }

  /** Maps `[B, in]` to `[B, out]`. */
  apply(x: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => tf.add(tf.matMul(x, this.weight), this.bias));
  }
}
