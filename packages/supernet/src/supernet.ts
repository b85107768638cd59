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
} from "@caddet/core";
import { createPoolRouter, type Gate, tanhGate } from "@caddet/router";
import type * as tf from "@tensorflow/tfjs-core";
import { type InputSize, type SupernetCost, supernetCost } from "./cost";
import { forwardDense } from "./dense";
import { checkDenseInput, checkRoutedInput } from "./forward-inputs";
import { FrozenSupernet } from "./frozen";
import { inferencePlan, type LayerSteps, layerSteps } from "./layer-plan";
import { Stem, SupernetNode } from "./node";
import { plainParts } from "./plain-parts";
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
  /**
   * Makes gates of the logits of the paper's routers, default `tanhGate()`. It must treat each logit by itself: a frozen supernet
   * hands it those of several nodes at once. Of no effect on routers of one's own.
   */
  readonly gate?: Gate;
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
  /**
   * Keep only the maps between the layers for the backward pass, and run stem and layers once more there: less memory for more time,
   * the same gradients. Default false.
   */
  readonly checkpoint?: boolean;
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
  /** Of the paper's routers; undefined where they are others. */
  readonly #gate: Gate | undefined;
  readonly #layers: readonly LayerSteps[];
  readonly #project: readonly Conv[];
  readonly #extra: Conv;

  constructor(options: SupernetOptions) {
    super();
    const { layers, channels, sepConvs, pyramid, threshold = 1e-4, gateValue = "soft", random } = options;
    const { gate = tanhGate() } = options;
    const router: RouterFactory = options.router ?? ((node) => createPoolRouter({ ...node, gate }));
    this.#gate = options.router ? undefined : gate;
    this.space = createRoutingSpace({ layers, channels, sepConvs, pyramid });
    this.#layers = layerSteps(this.space);
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
   * @param options training mode, gates to force, checkpointing
   * @returns the pyramid C3..C7 and the gates `[B, P]`
   * @throws ShapeError when the images or the forced gates have another shape
   * @example supernet.forward(images, { training: true })
   */
  forward(
    images: tf.Tensor4D,
    { training, gates, checkpoint = false }: DenseForwardOptions,
  ): BackboneOutput & Required<BackboneOutput> {
    checkDenseInput(this.space, images, gates);
    return forwardDense(this, images, { training, gates, checkpoint });
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
    checkRoutedInput(this.space, images, options.gates);
    const [, height, width] = images.shape;
    const plan = inferencePlan(this.#layers, { height, width }, this.cost({ height, width }));
    return forwardRouted(plainParts(this), plan, images, options);
  }

  /**
   * Makes the form for inference: normalisation folded, operations fused, plans of the input sizes kept. It has weights of its own, as
   * they are now, so that this supernet can train on or be disposed. Routers of one's own are not copied: it calls those of this
   * supernet, which then must be kept.
   *
   * @returns the frozen supernet; dispose it when done
   * @example const frozen = supernet.freeze(); await frozen.warmup({ height: 640, width: 800 });
   */
  freeze(): FrozenSupernet {
    return new FrozenSupernet({ net: this, gate: this.#gate, project: this.#project, extra: this.#extra });
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
