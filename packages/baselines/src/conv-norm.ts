// The two layers that MobileNets and FPNLite are made of: a convolution with batch normalisation, and a separable one. ReLU6 is theirs,
// since the fused normalisation of core knows ReLU alone.
import { BatchNorm, Conv, DepthwiseConv, Module, type Random } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import type { ConvPlan } from "./plan";

/** A convolution without bias, batch normalisation, ReLU6 where the plan says so. Children: `conv`, `norm`. */
export class ConvNorm extends Module {
  readonly #conv: Conv | DepthwiseConv;
  readonly #norm: BatchNorm;
  readonly #relu6: boolean;

  constructor({ depthwise, kernelSize, stride, inChannels, outChannels, relu6 }: ConvPlan, random: Random) {
    super();
    this.#conv = this.child(
      "conv",
      depthwise
        ? new DepthwiseConv({ channels: inChannels, kernelSize, stride, random })
        : new Conv({ inChannels, outChannels, kernelSize, stride, bias: false, random }),
    );
    this.#norm = this.child("norm", new BatchNorm(outChannels));
    this.#relu6 = relu6;
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`; the residual is added before ReLU6. */
  apply(x: tf.Tensor4D, training: boolean, residual?: tf.Tensor4D): tf.Tensor4D {
    const y = this.#norm.apply(this.#conv.apply(x), { training, ...(residual ? { residual } : {}) });
    return this.#relu6 ? tf.relu6(y) : y;
  }
}

/** Depthwise 3 × 3, pointwise 1 × 1, BN, ReLU6; nothing between the two convolutions. Children: `depthwise`, `pointwise`, `norm`. */
export class SeparableConv extends Module {
  readonly #depthwise: DepthwiseConv;
  readonly #pointwise: Conv;
  readonly #norm: BatchNorm;

  constructor(channels: number, stride: number, random: Random) {
    super();
    this.#depthwise = this.child("depthwise", new DepthwiseConv({ channels, stride, random }));
    const pointwise = new Conv({ inChannels: channels, outChannels: channels, bias: false, random });
    this.#pointwise = this.child("pointwise", pointwise);
    this.#norm = this.child("norm", new BatchNorm(channels));
  }

  /** Maps `[B, H, W, C]` to `[B, ceil(H / stride), ceil(W / stride), C]`. */
  apply(x: tf.Tensor4D, training: boolean): tf.Tensor4D {
    return tf.relu6(this.#norm.apply(this.#pointwise.apply(this.#depthwise.apply(x)), { training }));
  }
}
