// A tower of a dense head: the same few layers on every level, each a convolution, a normalisation and a ReLU.
// Prediction layers are the heads' own.
import { BatchNorm, Conv, checkpointed, DepthwiseConv, GroupNorm, Module, type Random } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** What normalises a tower. */
export type TowerNorm = "group" | "batch" | "none";

/** What a tower's layer is: a 3×3 convolution, or a depthwise 3×3 and a 1×1 one. */
export type TowerKind = "full" | "separable";

/** The options of a head that shape its towers. */
export interface TowerSettings {
  /** Channels of every level of the pyramid. */
  readonly inChannels: number;
  /** Channels of the towers. */
  readonly channels: number;
  /** Layers of each tower, at least 0. */
  readonly stackedConvs: number;
  readonly tower: TowerKind;
  readonly norm: TowerNorm;
  /** Groups of the group norm; divides `channels`. */
  readonly groups: number;
}

interface TowerLayerOptions {
  readonly inChannels: number;
  readonly channels: number;
  readonly kind: TowerKind;
  readonly norm: TowerNorm;
  readonly groups: number;
  readonly random: Random;
}

/** One layer. Children: `depthwise` (separable towers only), `conv`, `norm` (unless "none"). */
class TowerLayer extends Module {
  readonly #depthwise: DepthwiseConv | undefined;
  readonly #conv: Conv;
  readonly #norm: BatchNorm | GroupNorm | undefined;

  constructor({ inChannels, channels, kind, norm, groups, random }: TowerLayerOptions) {
    super();
    if (kind === "separable")
      this.#depthwise = this.child("depthwise", new DepthwiseConv({ channels: inChannels, random }));
    this.#conv = this.child(
      "conv",
      new Conv({
        inChannels,
        outChannels: channels,
        kernelSize: kind === "separable" ? 1 : 3,
        bias: norm === "none" ? 0 : false,
        init: { std: 0.01 },
        random,
      }),
    );
    if (norm === "group") this.#norm = this.child("norm", new GroupNorm(channels, groups));
    if (norm === "batch") this.#norm = this.child("norm", new BatchNorm(channels));
  }

  /** Maps `[B, H, W, Cin]` to `[B, H, W, C]`. */
  apply(x: tf.Tensor4D, training: boolean): tf.Tensor4D {
    const y = this.#conv.apply(this.#depthwise ? this.#depthwise.apply(x) : x);
    if (this.#norm instanceof BatchNorm) return this.#norm.apply(y, { training, activation: "relu" });
    return this.#norm ? this.#norm.apply(y, { activation: "relu" }) : tf.relu(y);
  }
}

/** How a tower is applied. */
export interface TowerApplyOptions {
  /** Batch statistics in BN. */
  readonly training: boolean;
  /** Default false. */
  readonly checkpoint?: boolean;
}

/** Layers one after another. Children: `0`, `1`, … */
export class Tower extends Module {
  readonly #layers: readonly TowerLayer[];

  constructor(settings: TowerSettings, random: Random) {
    super();
    const { inChannels, channels, stackedConvs, tower, norm, groups } = settings;
    this.#layers = Array.from({ length: stackedConvs }, (_, i) => {
      const layer = new TowerLayer({
        inChannels: i === 0 ? inChannels : channels,
        channels,
        kind: tower,
        norm,
        groups,
        random,
      });
      return this.child(String(i), layer);
    });
  }

  /** Maps `[B, H, W, Cin]` to `[B, H, W, C]`. With `checkpoint`, the backward pass runs it again instead of finding its maps kept. */
  apply(x: tf.Tensor4D, { training, checkpoint = false }: TowerApplyOptions): tf.Tensor4D {
    const run = (map: tf.Tensor4D) => this.#layers.reduce((y, layer) => layer.apply(y, training), map);
    if (!checkpoint) return run(x);
    const variables = [...this.namedParameters().values()].map(({ variable }) => variable);
    return checkpointed(([map]) => [run(map!)], [x], variables)[0]!;
  }
}
