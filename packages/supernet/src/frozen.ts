// A supernet for inference alone: batch normalisation is folded into the convolutions, bias and ReLU are fused with them, a layer's
// routers run together, and what depends on the input's size is worked out once. Same meaning as the supernet that it is made of.
import {
  type Backbone,
  type BackboneOutput,
  ConfigError,
  type Conv,
  type FeaturePyramid,
  gatedSum,
  Module,
  type RoutedOutput,
  type RoutingInfo,
  tidy,
} from "@caddet/core";
import type { Gate } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import type { InputSize, SupernetCost } from "./cost";
import { checkDenseInput, checkRoutedInput } from "./forward-inputs";
import { FrozenGates } from "./frozen-gates";
import { type FrozenConv, FrozenNode, FrozenStem, freezeConv } from "./frozen-layers";
import { FrozenRouters } from "./frozen-routers";
import { type InferencePlan, inferencePlan, type LayerSteps, layerSteps } from "./layer-plan";
import type { PackedMaps } from "./packed-maps";
import { plainParts } from "./plain-parts";
import { forwardRouted, type InferenceParts, type RoutedForwardOptions } from "./routed";
import type { PathKind, RoutingSpace } from "./routing-space";
import type { DenseForwardOptions, Supernet } from "./supernet";

/** Input sizes whose plans are kept; the oldest goes first. */
const MOST_PLANS = 32;

/** What a supernet tells of itself when it is frozen, beside what is public. */
export interface FreezeSource {
  readonly net: Supernet;
  /** Of the paper's routers; undefined where the routers are others. */
  readonly gate: Gate | undefined;
  readonly project: readonly Conv[];
  readonly extra: Conv;
}

/** A supernet with folded weights of its own; see {@link Supernet.freeze}. */
export class FrozenSupernet extends Module implements Backbone {
  readonly space: RoutingSpace;
  readonly strides: readonly number[];
  readonly channels: number;
  readonly threshold: number;
  readonly gateValue: "soft" | "binary";
  readonly routing: RoutingInfo;
  readonly #layers: readonly LayerSteps[];
  readonly #parts: InferenceParts;
  readonly #denseGates: readonly FrozenGates[];
  readonly #costOf: (size: InputSize) => SupernetCost;
  readonly #plans = new Map<string, InferencePlan>();

  constructor({ net, gate, project, extra }: FreezeSource) {
    super();
    this.space = net.space;
    this.strides = net.strides;
    this.channels = net.channels;
    this.threshold = net.threshold;
    this.gateValue = net.gateValue;
    this.routing = net.routing;
    this.#costOf = (size) => net.cost(size);
    this.#layers = layerSteps(net.space);
    const stem = this.child("stem", new FrozenStem(net.stem));
    const nodes = net.nodes.map((node, i) => this.child(`nodes.${i}`, new FrozenNode(node)));
    const projections = project.map((conv, s) => this.child(`project.${s}`, freezeConv(conv)));
    const coarsest = this.child("extra", freezeConv(extra));
    const routers =
      gate &&
      this.#layers.map((layer, l) => {
        const own = layer.nodes.map(({ index }) => net.nodes[index]!);
        return this.child(`routers.${l}`, new FrozenRouters(own, gate));
      });
    this.#denseGates = this.#layers.map((layer, l) => this.child(`gates.${l}`, new FrozenGates(layer, net.threshold)));
    this.#parts = {
      channels: net.space.shape.channels,
      threshold: net.threshold,
      gateValue: net.gateValue,
      stem: (images) => stem.apply(images),
      block: (node, x) => nodes[node]!.computeBlock(x),
      path: (node, kind: PathKind, y, upSize) => nodes[node]!.computePath(kind, y, upSize),
      gates: routers
        ? (layer, inputs, batch) =>
            routers[layer]!.apply(
              this.#layers[layer]!.nodes.map(({ scale }) => inputs[scale]),
              batch,
            )
        : plainParts(net).gates,
      pyramid: (maps) => this.#pyramid(maps, projections, coarsest),
    };
  }

  /**
   * Runs every node; gates multiply the paths. Batched.
   *
   * @param images `[B, H, W, 3]`
   * @param options `training` must be false; gates to force
   * @returns the pyramid C3..C7 and the gates `[B, P]`
   * @throws ConfigError in training mode; ShapeError when the images or the forced gates have another shape
   * @example frozen.forward(images, { training: false })
   */
  forward(images: tf.Tensor4D, { training, gates }: DenseForwardOptions): BackboneOutput & Required<BackboneOutput> {
    if (training) {
      throw new ConfigError(
        "A frozen supernet does not train. Train the one that it was made of, and freeze it again.",
      );
    }
    checkDenseInput(this.space, images, gates);
    return tidy(() => this.#runDense(images, gates));
  }

  /**
   * Runs only what the gates ask for: closed paths and dropped nodes are not computed.
   *
   * @param images `[B, H, W, 3]`
   * @param options gates to force
   * @returns the pyramid C3..C7, the gates and the MAdds that ran for each image
   * @throws ShapeError when the images or the forced gates have another shape
   * @example const { features, madds } = await frozen.forwardRouted(images);
   */
  async forwardRouted(images: tf.Tensor4D, options: RoutedForwardOptions = {}): Promise<RoutedOutput> {
    checkRoutedInput(this.space, images, options.gates);
    return forwardRouted(this.#parts, this.#planOf(images), images, options);
  }

  /**
   * Makes the first image of a size as fast as those that follow: its plan is worked out and everything runs once, open and routed.
   *
   * @param size of the network's input, padding included, pixels
   * @param options `batch`, default 1
   * @throws ShapeError when a side is not a positive integer
   * @example await frozen.warmup({ height: 640, width: 800 })
   */
  async warmup({ height, width }: InputSize, { batch = 1 }: { readonly batch?: number } = {}): Promise<void> {
    const images = tf.zeros<tf.Rank.R4>([batch, height, width, 3]);
    try {
      for (const gates of [new Float32Array(batch * this.space.paths.length).fill(1), undefined]) {
        const { features } = await this.forwardRouted(images, gates ? { gates } : {});
        tf.dispose([...features.maps]);
      }
    } finally {
      images.dispose();
    }
  }

  /** MAdds of every part for an input size, batch 1. */
  cost(size: InputSize): SupernetCost {
    return this.#costOf(size);
  }

  #planOf(images: tf.Tensor4D): InferencePlan {
    const [, height, width] = images.shape;
    const key = `${height}x${width}`;
    const known = this.#plans.get(key);
    if (known) return known;
    const plan = inferencePlan(this.#layers, { height, width }, this.cost({ height, width }));
    const [oldest] = this.#plans.keys();
    if (this.#plans.size >= MOST_PLANS) this.#plans.delete(oldest!);
    this.#plans.set(key, plan);
    return plan;
  }

  #runDense(images: tf.Tensor4D, forced: tf.Tensor2D | undefined): Required<BackboneOutput> {
    const plan = this.#planOf(images);
    const batch = images.shape[0];
    const all = Array.from({ length: batch }, (_, b) => b);
    const gatesOf = (layer: number, maps: readonly tf.Tensor4D[]): tf.Tensor2D => {
      if (!forced) {
        const inputs = maps.map((map): PackedMaps => ({ map, images: all }));
        return this.#parts.gates(layer, inputs, batch, plan);
      }
      const { firstPath, pathCount } = plan.layers[layer]!;
      const own = tf.slice(forced, [0, firstPath], [-1, pathCount]);
      return own.shape[0] === batch ? own : tf.tile(own, [batch, 1]);
    };
    const allGates: tf.Tensor2D[] = [];
    let maps = [this.#parts.stem(images)]; // by scale
    for (const [l, { nodes }] of plan.layers.entries()) {
      const gates = gatesOf(l, maps);
      allGates.push(gates);
      const sent = nodes.map(({ index, scale, paths }) => {
        const y = this.#parts.block(index, maps[scale]!);
        return paths.map(({ kind }) => this.#parts.path(index, kind, y, plan.sizes[scale - 1]));
      });
      const factors = this.#denseGates[l]!.factors(gates);
      const received = maps;
      maps = this.#denseGates[l]!.terms.map((terms, scale) =>
        gatedSum(
          terms.map(({ node, path }) => (path === undefined ? received[scale]! : sent[node]![path]!)),
          factors[scale]!,
        ),
      );
    }
    return {
      features: this.#parts.pyramid(maps),
      gates: { values: tf.concat(allGates, 1), nodeOfPath: this.space.nodeOfPath },
    };
  }

  #pyramid(maps: readonly tf.Tensor4D[], projections: readonly FrozenConv[], extra: FrozenConv): FeaturePyramid {
    const projected = maps.map((x, s) => projections[s]!.apply(x, "linear"));
    return { maps: [...projected, extra.apply(projected[projected.length - 1]!, "linear")], strides: this.strides };
  }
}
