// Convolutions with batch normalisation folded in, for inference alone: one launch does convolution, bias and ReLU. The layers that
// they are made of are in node.ts.
import { type Activation, type BatchNorm, type Conv, Module } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { fusedConvolution, resize, type SeparableWeights, separableConvolution } from "./kernel-calls";
import type { SepConv, Stem, SupernetNode } from "./node";
import type { PathKind } from "./routing-space";

/** Scale and offset that do to a convolution's output what a normalisation does in inference mode; both `[C]`. */
function affineOf({ weight, bias, runningMean, runningVariance, epsilon }: BatchNorm): [tf.Tensor, tf.Tensor] {
  const scale = tf.mul(weight, tf.rsqrt(tf.add(runningVariance, epsilon)));
  return [scale, tf.sub(bias, tf.mul(runningMean, scale))];
}

/** A convolution with bias and symmetric padding. It owns its weights. */
export class FrozenConv extends Module {
  readonly #weight: tf.Variable<tf.Rank.R4>;
  readonly #bias: tf.Variable<tf.Rank.R1>;
  readonly #stride: number;

  /** Takes ownership of `weight [k, k, Cin, Cout]` and `bias [Cout]`. */
  constructor(weight: tf.Tensor4D, bias: tf.Tensor1D, stride = 1) {
    super();
    this.#weight = this.buffer("weight", weight);
    this.#bias = this.buffer("bias", bias);
    this.#stride = stride;
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`; k must be odd. */
  apply(x: tf.Tensor4D, activation: Activation): tf.Tensor4D {
    return fusedConvolution(x, this.#weight, this.#bias, { stride: this.#stride, activation });
  }

  /** As {@link apply}, without padding and for any k. */
  applyUnpadded(x: tf.Tensor4D): tf.Tensor4D {
    return fusedConvolution(x, this.#weight, this.#bias, { stride: 1, padded: false, activation: "linear" });
  }
}

/** Weight and bias of a convolution with what follows it, a normalisation or just its bias, folded in; the caller's. */
function folded({ weight, bias }: Conv, norm?: BatchNorm): { weight: tf.Tensor4D; bias: tf.Tensor1D } {
  return tf.tidy(() => {
    if (!norm) return { weight: tf.clone(weight), bias: bias ? tf.clone(bias) : tf.zeros([weight.shape[3]]) };
    const [scale, offset] = affineOf(norm);
    return { weight: tf.mul(weight, scale), bias: bias ? tf.add(offset, tf.mul(bias, scale)) : offset };
  }) as { weight: tf.Tensor4D; bias: tf.Tensor1D };
}

/** Folds what follows a convolution, a normalisation or just its bias, into a frozen one. */
export function freezeConv(conv: Conv, norm?: BatchNorm): FrozenConv {
  const { weight, bias } = folded(conv, norm);
  return new FrozenConv(weight, bias, conv.stride);
}

/** A separable convolution and what follows it. */
export class FrozenSepConv extends Module {
  readonly #weights: SeparableWeights;
  readonly #stride: number;

  constructor({ depthwise, pointwise, norm }: SepConv) {
    super();
    const { weight, bias } = folded(pointwise, norm);
    this.#weights = {
      depthwise: this.buffer("depthwise", tf.clone(depthwise.weight)),
      pointwise: this.buffer("pointwise", weight),
      bias: this.buffer("bias", bias),
    };
    this.#stride = depthwise.stride;
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`; a residual is added in front of the activation. */
  apply(x: tf.Tensor4D, activation: Activation, residual?: tf.Tensor4D): tf.Tensor4D {
    return separableConvolution(x, this.#weights, {
      stride: this.#stride,
      activation,
      ...(residual ? { residual } : {}),
    });
  }
}

/** The stem's three stride-2 separable convolutions. */
export class FrozenStem extends Module {
  readonly #layers: readonly FrozenSepConv[];

  constructor(stem: Stem) {
    super();
    this.#layers = stem.layers.map((layer, i) => this.child(`${i}`, new FrozenSepConv(layer)));
  }

  /** Maps `[B, H, W, 3]` to `[B, H / 8, W / 8, C]`, each halving rounded up. */
  apply(images: tf.Tensor4D): tf.Tensor4D {
    return this.#layers.reduce((x, layer) => {
      const y = layer.apply(x, "relu");
      if (x !== images) x.dispose();
      return y;
    }, images);
  }
}

/** A node's block and the transitions of its paths; its router is in frozen-routers.ts. */
export class FrozenNode extends Module {
  readonly #block: readonly FrozenSepConv[];
  readonly #up: FrozenConv | undefined;
  readonly #down: FrozenConv | undefined;

  constructor({ block, up, down }: SupernetNode) {
    super();
    this.#block = block.map((conv, i) => this.child(`block.${i}`, new FrozenSepConv(conv)));
    if (up) this.#up = this.child("up", freezeConv(up.conv, up.norm));
    if (down) this.#down = this.child("down", freezeConv(down.conv, down.norm));
  }

  /** `y = ReLU(block(x) + x)`, `[B, H, W, C]`. */
  computeBlock(x: tf.Tensor4D): tf.Tensor4D {
    let y = x;
    for (const [i, conv] of this.#block.entries()) {
      const next = conv.apply(y, "relu", i === this.#block.length - 1 ? x : undefined);
      if (y !== x) y.dispose();
      y = next;
    }
    return y;
  }

  /** What goes along one path, before its gate. */
  computePath(kind: PathKind, y: tf.Tensor4D, upSize: readonly [number, number] | undefined): tf.Tensor4D {
    if (kind === "keep") return y;
    if (kind === "down") return this.#down!.apply(y, "relu");
    const narrow = this.#up!.apply(y, "relu");
    const wide = resize(narrow, upSize!);
    narrow.dispose();
    return wide;
  }
}
