// The parts of the supernet that own weights (paper §3.4, Fig. 4): separable convolution, stem and computation node.
// A node only knows how to compute its block and one path; when it does so is the executors' business (dense.ts, routed.ts).
import {
  type Activation,
  BatchNorm,
  Conv,
  DepthwiseConv,
  Module,
  type Random,
  type Router,
  resizeBilinear,
} from "@caddet/core";
import type { Tensor4D } from "@tensorflow/tfjs-core";
import type { PathKind } from "./routing-space";

/** Options of {@link SepConv}. */
export interface SepConvOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Default 1. */
  readonly stride?: number;
  readonly random: Random;
}

/** How a layer with batch normalisation is applied. */
export interface NormedOptions {
  readonly training: boolean;
  readonly activation?: Activation;
  readonly residual?: Tensor4D;
}

/** Depthwise 3 × 3, pointwise 1 × 1, BN; no norm or activation between the two convolutions. */
export class SepConv extends Module {
  readonly depthwise: DepthwiseConv;
  readonly pointwise: Conv;
  readonly norm: BatchNorm;

  constructor({ inChannels, outChannels, stride = 1, random }: SepConvOptions) {
    super();
    this.depthwise = this.child("depthwise", new DepthwiseConv({ channels: inChannels, stride, random }));
    this.pointwise = this.child("pointwise", new Conv({ inChannels, outChannels, bias: false, random }));
    this.norm = this.child("norm", new BatchNorm(outChannels));
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`. */
  apply(x: Tensor4D, options: NormedOptions): Tensor4D {
    return this.norm.apply(this.pointwise.apply(this.depthwise.apply(x)), options);
  }
}

/** 1 × 1 convolution, BN, ReLU: what a path does to the channels. */
export class Transition extends Module {
  readonly conv: Conv;
  readonly norm: BatchNorm;

  constructor({ inChannels, outChannels, stride = 1, random }: SepConvOptions) {
    super();
    this.conv = this.child("conv", new Conv({ inChannels, outChannels, stride, bias: false, random }));
    this.norm = this.child("norm", new BatchNorm(outChannels));
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`. */
  apply(x: Tensor4D, training: boolean): Tensor4D {
    return this.norm.apply(this.conv.apply(x), { training, activation: "relu" });
  }
}

/** Three stride-2 separable convolutions, each with ReLU: images to stride 8. */
export class Stem extends Module {
  readonly layers: readonly SepConv[];

  constructor(channels: number, random: Random) {
    super();
    this.layers = [3, channels, channels].map((inChannels, i) =>
      this.child(`${i}`, new SepConv({ inChannels, outChannels: channels, stride: 2, random })),
    );
  }

  /** Maps `[B, H, W, 3]` to `[B, H / 8, W / 8, C]`, each halving rounded up. */
  apply(images: Tensor4D, training: boolean): Tensor4D {
    return this.layers.reduce((x, layer) => layer.apply(x, { training, activation: "relu" }), images);
  }
}

/** What a node is made of. */
export interface NodeOptions {
  readonly channels: number;
  /** Channels of the finer scale; given where the path up exists. */
  readonly upChannels?: number;
  /** Channels of the coarser scale; given where the path down exists. */
  readonly downChannels?: number;
  readonly sepConvs: number;
  readonly router: Router;
  readonly random: Random;
}

/** One computation node: router, block, and the transitions of its paths. */
export class SupernetNode extends Module {
  readonly router: Router;
  readonly block: readonly SepConv[];
  readonly up: Transition | undefined;
  readonly down: Transition | undefined;

  constructor({ channels, upChannels, downChannels, sepConvs, router, random }: NodeOptions) {
    super();
    this.router = this.child("router", router);
    this.block = Array.from({ length: sepConvs }, (_, i) =>
      this.child(`block.${i}`, new SepConv({ inChannels: channels, outChannels: channels, random })),
    );
    if (upChannels !== undefined) {
      this.up = this.child("up", new Transition({ inChannels: channels, outChannels: upChannels, random }));
    }
    if (downChannels !== undefined) {
      this.down = this.child(
        "down",
        new Transition({ inChannels: channels, outChannels: downChannels, stride: 2, random }),
      );
    }
  }

  /** All but the router. */
  get computing(): readonly Module[] {
    return [...this.block, ...(this.up ? [this.up] : []), ...(this.down ? [this.down] : [])];
  }

  /** `y = ReLU(block(x) + x)`, `[B, H, W, C]`. */
  computeBlock(x: Tensor4D, training: boolean): Tensor4D {
    const last = this.block.length - 1;
    return this.block.reduce(
      (y, conv, i) => conv.apply(y, { training, activation: "relu", ...(i === last ? { residual: x } : {}) }),
      x,
    );
  }

  /** What goes along one path, before its gate. `upSize` is the exact size of the finer scale. */
  computePath(kind: PathKind, y: Tensor4D, upSize: readonly [number, number] | undefined, training: boolean): Tensor4D {
    if (kind === "keep") return y;
    if (kind === "down") return this.down!.apply(y, training);
    return resizeBilinear(this.up!.apply(y, training), upSize!);
  }
}
