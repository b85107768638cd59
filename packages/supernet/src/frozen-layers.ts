// Convolutions with batch normalisation folded in, for inference alone: one launch does convolution, bias and ReLU. The layers that
// they are made of are in node.ts.
import { type Activation, type BatchNorm, type Conv, Module } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { addAndRelu, depthwiseConvolution, fusedConvolution, resize } from "./kernel-calls";
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

/** Folds what follows a convolution, a normalisation or just its bias, into a frozen one. */
export function freezeConv({ weight, bias, stride }: Conv, norm?: BatchNorm): FrozenConv {
  const folded = tf.tidy(() => {
    if (!norm) return { weight: tf.clone(weight), bias: bias ? tf.clone(bias) : tf.zeros([weight.shape[3]]) };
    const [scale, offset] = affineOf(norm);
    return { weight: tf.mul(weight, scale), bias: bias ? tf.add(offset, tf.mul(bias, scale)) : offset };
  });
  return new FrozenConv(folded.weight as tf.Tensor4D, folded.bias as tf.Tensor1D, stride);
}

/** A separable convolution: a depthwise launch, and one for all else. */
export class FrozenSepConv extends Module {
  readonly #depthwise: tf.Variable<tf.Rank.R4>;
  readonly #stride: number;
  readonly #pointwise: FrozenConv;

  constructor({ depthwise, pointwise, norm }: SepConv) {
    super();
    this.#depthwise = this.buffer("depthwise", tf.clone(depthwise.weight));
    this.#stride = depthwise.stride;
    this.#pointwise = this.child("pointwise", freezeConv(pointwise, norm));
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`. */
  apply(x: tf.Tensor4D, activation: Activation): tf.Tensor4D {
    const filtered = depthwiseConvolution(x, this.#depthwise, this.#stride);
    const y = this.#pointwise.apply(filtered, activation);
    filtered.dispose();
    return y;
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
    return this.#layers.reduce((x, layer) => layer.apply(x, "relu"), images);
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
      const next = conv.apply(y, i === this.#block.length - 1 ? "linear" : "relu");
      if (y !== x) y.dispose();
      y = next;
    }
    return addAndRelu(y, x);
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
