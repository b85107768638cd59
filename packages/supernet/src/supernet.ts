// The supernet of CADDet (paper §3.1, §3.4): stem, dense routing space with a router in every node, projection to a pyramid C3..C7.
// It owns the weights; dense.ts and routed.ts run it.
import {
  type Backbone,
  type BackboneOutput,
  Conv,
  type FeaturePyramid,
  Module,
  type Random,
  type RoutedOutput,
  type Router,
  type RoutingInfo,
  ShapeError,
} from "@caddet/core";
import { createPoolRouter } from "@caddet/router";
import type * as tf from "@tensorflow/tfjs-core";
import { type InputSize, type SupernetCost, supernetCost } from "./cost";
import { forwardDense } from "./dense";
import { Stem, SupernetNode } from "./node";
import { forwardRouted, type RoutedForwardOptions } from "./routed";
import { createRoutingSpace, type RoutingSpace, type SupernetShape } from "./routing-space";

/** Makes the router of one node. */
export type RouterFactory = (node: {
  readonly channels: number;
  readonly paths: number;
  readonly random: Random;
}) => Router;

/** Options of {@link createSupernet}. */
export interface SupernetOptions extends SupernetShape {
  /** Gates below are closed (τ). Default 1e-4. */
  readonly threshold?: number;
  /** Value of an open gate at inference: its soft value (default) or 1. */
  readonly gateValue?: "soft" | "binary";
  /** Default: the paper's router. */
  readonly router?: RouterFactory;
  readonly random: Random;
}

/** What a dense forward pass may be told. */
export interface DenseForwardOptions {
  /** Batch statistics in BN, and an update of the running ones. */
  readonly training: boolean;
  /** `[B or 1, P]`: gates to use in place of the routers'. */
  readonly gates?: tf.Tensor2D;
}

/** Stem, routing space, routers and pyramid. Gates close paths; see the two forward passes. */
export class Supernet extends Module implements Backbone {
  readonly space: RoutingSpace;
  readonly stem: Stem;
  readonly nodes: readonly SupernetNode[];
  readonly strides: readonly number[];
  readonly channels: number;
  readonly threshold: number;
  readonly gateValue: "soft" | "binary";
  readonly routing: RoutingInfo;
  readonly #project: readonly Conv[];
  readonly #extra: Conv;

  constructor(options: SupernetOptions) {
    super();
    const { layers, channels, sepConvs, pyramid, threshold = 1e-4, gateValue = "soft", random } = options;
    const router = options.router ?? createPoolRouter;
    this.space = createRoutingSpace({ layers, channels, sepConvs, pyramid });
    this.stem = this.child("stem", new Stem(channels[0]!, random));
    this.nodes = this.space.nodes.map(({ layer, scale, channels: c, paths }) => {
      const kinds = paths.map((p) => this.space.paths[p]!.kind);
      const node = new SupernetNode({
        channels: c,
        ...(kinds.includes("up") ? { upChannels: channels[scale - 1]! } : {}),
        ...(kinds.includes("down") ? { downChannels: channels[scale + 1]! } : {}),
        sepConvs,
        router: router({ channels: c, paths: paths.length, random }),
        random,
      });
      return this.child(`nodes.${layer}_${scale}`, node);
    });
    this.#project = channels.map((c, s) =>
      this.child(`project.${s}`, new Conv({ inChannels: c, outChannels: pyramid, random })),
    );
    this.#extra = this.child(
      "extra",
      new Conv({ inChannels: pyramid, outChannels: pyramid, kernelSize: 3, stride: 2, random }),
    );
    this.strides = [...channels.keys(), channels.length].map((s) => 8 * 2 ** s);
    this.channels = pyramid;
    this.threshold = threshold;
    this.gateValue = gateValue;
    this.routing = {
      nodeOfPath: this.space.nodeOfPath,
      threshold,
      cost: (height, width) => {
        const { perNode, perPath } = this.cost({ height, width });
        return { node: perNode, path: perPath };
      },
    };
  }

  /**
   * Runs every node; gates multiply the paths. Differentiable, batched.
   *
   * @param images `[B, H, W, 3]`
   * @param options training mode, and gates to force
   * @returns the pyramid C3..C7 and the gates `[B, P]`
   * @throws ShapeError when the images or the forced gates have another shape
   * @example supernet.forward(images, { training: true })
   */
  forward(images: tf.Tensor4D, { training, gates }: DenseForwardOptions): BackboneOutput & Required<BackboneOutput> {
    this.#check(images);
    if (gates && (gates.shape[1] !== this.space.paths.length || ![1, images.shape[0]].includes(gates.shape[0]))) {
      throw new ShapeError(
        `Forced gates must be [${images.shape[0]}, ${this.space.paths.length}] (batch, paths), got [${gates.shape}].`,
      );
    }
    return forwardDense(this, images, training, gates);
  }

  /**
   * Runs only what the gates ask for: closed paths and dropped nodes are not computed. Inference mode.
   *
   * @param images `[B, H, W, 3]`
   * @param options gates to force
   * @returns the pyramid C3..C7, the gates and the MAdds that ran for each image
   * @throws ShapeError when the images or the forced gates have another shape
   * @example const { features, madds } = await supernet.forwardRouted(images);
   */
  async forwardRouted(images: tf.Tensor4D, options: RoutedForwardOptions = {}): Promise<RoutedOutput> {
    this.#check(images);
    const wanted = images.shape[0] * this.space.paths.length;
    if (options.gates && options.gates.length !== wanted) {
      throw new ShapeError(`Forced gates must be ${wanted} numbers (batch · paths), got ${options.gates.length}.`);
    }
    return forwardRouted(this, images, options);
  }

  /** The projection of the last layer's maps to C3..C6, and C7 from C6. */
  pyramid(maps: readonly tf.Tensor4D[]): FeaturePyramid {
    const projected = maps.map((x, s) => this.#project[s]!.apply(x));
    return { maps: [...projected, this.#extra.apply(projected[projected.length - 1]!)], strides: this.strides };
  }

  /** MAdds of every part for an input size, batch 1. */
  cost(size: InputSize): SupernetCost {
    const routers = new Map(
      this.space.nodes.map(({ channels, paths }, i) => [`${channels}/${paths.length}`, this.nodes[i]!.router]),
    );
    return supernetCost(this.space, size, ({ channels, paths, height, width }) =>
      routers.get(`${channels}/${paths}`)!.madds(height, width),
    );
  }

  #check(images: tf.Tensor4D): void {
    if (images.rank !== 4 || images.shape[3] !== 3 || images.size === 0) {
      throw new ShapeError(`The supernet takes images [B, H, W, 3] of at least one pixel, got [${images.shape}].`);
    }
  }
}

/**
 * Builds a supernet with fresh weights.
 *
 * @param options its shape (see `PRESETS`), threshold, router and a seeded generator
 * @returns the supernet; dispose it when done
 * @throws ConfigError when the shape is impossible
 * @example createSupernet({ ...PRESETS.small, random: createRandom(0) })
 */
export function createSupernet(options: SupernetOptions): Supernet {
  return new Supernet(options);
}
