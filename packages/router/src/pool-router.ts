// The paper's router (Section 3.4): what a node sees, averaged to a few cells, becomes one gate a path. The gate is a part of its
// own, by default the paper's. The bias of 1.5 from Dynamic Routing (Li et al. 2020) opens all paths at the start of training.
import {
  adaptiveAveragePool,
  ConfigError,
  Conv,
  Linear,
  Module,
  type Random,
  type Router,
  ShapeError,
} from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { type Gate, type GateSettings, tanhGate } from "./gate";

/** Options of {@link createPoolRouter}. */
export interface PoolRouterOptions {
  /** Channels C of the features. */
  readonly channels: number;
  /** Paths K, one gate each. */
  readonly paths: number;
  /** Channels of the inner convolution, default C / 2 rounded down, but at least 4. */
  readonly hidden?: number;
  /** Cells a side that the features are averaged to, default 2. */
  readonly pool?: number;
  /** Start value of the logits' bias, default 1.5. */
  readonly bias?: number;
  /** Makes gates of the logits, default {@link tanhGate}. */
  readonly gate?: Gate;
  /** Draws the start weights. */
  readonly random: Random;
}

/** The sizes that decide a router's cost. */
export type PoolRouterSizes = Pick<PoolRouterOptions, "channels" | "paths" | "hidden" | "pool">;

/**
 * Counts the MAdds of the paper's router: the convolution on the pooled cells and the linear map, not the pooling, so that the size
 * of the map does not matter.
 *
 * @param sizes as for {@link createPoolRouter}
 * @returns MAdds of one call, batch 1
 * @example poolRouterMadds({ channels: 64, paths: 3 }) // 8288
 */
export function poolRouterMadds({
  channels,
  paths,
  hidden = defaultHidden(channels),
  pool = 2,
}: PoolRouterSizes): number {
  return pool * pool * channels * hidden + hidden * paths;
}

function defaultHidden(channels: number): number {
  return Math.max(Math.floor(channels / 2), 4);
}

/** How a pool router was made: all that its weights do not say, and their sizes. */
export interface PoolRouterSettings {
  readonly channels: number;
  readonly paths: number;
  readonly hidden: number;
  readonly pool: number;
  /** Of its gate; undefined for a gate of one's own. */
  readonly gate: GateSettings | undefined;
}

/** A router that gives the numbers before its gate, too, and says how it was made. */
export interface PoolRouter extends Router {
  readonly settings: PoolRouterSettings;
  /** Maps features `[B, H, W, C]` to the logits `[B, K]` that the gates are made of. */
  logits(features: tf.Tensor4D): tf.Tensor2D;
}

/** Pooling, 1×1 convolution, ReLU, global average, linear map, gate. */
class PoolRouterModule extends Module implements PoolRouter {
  readonly settings: PoolRouterSettings;
  readonly #squeeze: Conv;
  readonly #logit: Linear;
  readonly #gate: Gate;

  constructor({ channels, paths, hidden, pool, bias, gate, random }: Required<PoolRouterOptions>) {
    super();
    this.#squeeze = this.child("squeeze", new Conv({ inChannels: channels, outChannels: hidden, random }));
    this.#logit = this.child("gate", new Linear({ inFeatures: hidden, outFeatures: paths, bias, random }));
    this.#gate = gate;
    this.settings = { channels, paths, hidden, pool, gate: gate.settings };
  }

  forward(features: tf.Tensor4D, { training = false }: { readonly training?: boolean } = {}): tf.Tensor2D {
    return tf.tidy(() => this.#gate(this.logits(features), { training }));
  }

  logits(features: tf.Tensor4D): tf.Tensor2D {
    const { channels, hidden, pool } = this.settings;
    if (features.rank !== 4 || features.shape[3] !== channels) {
      throw new ShapeError(`This router needs features [B, H, W, ${channels}], got [${features.shape}].`);
    }
    return tf.tidy(() => {
      const b = features.shape[0];
      const cells = tf.reshape(adaptiveAveragePool(features, pool), [b * pool * pool, channels]);
      // A 1×1 convolution is a matrix product; written as one, it needs no convolution gradient, which not every backend has.
      const weight = tf.reshape(this.#squeeze.weight, [channels, hidden]) as tf.Tensor2D;
      const squeezed = tf.relu(tf.add(tf.matMul(cells, weight), this.#squeeze.bias!)); // [B * pool², hidden]
      const average = tf.mean(tf.reshape(squeezed, [b, pool * pool, hidden]), 1) as tf.Tensor2D; // [B, hidden]
      return this.#logit.apply(average); // [B, K]
    });
  }

  madds(): number {
    return poolRouterMadds(this.settings);
  }
}

/**
 * Makes the paper's router.
 *
 * Its parameters are `squeeze.weight [1, 1, C, hidden]` (He's normal rule), `squeeze.bias`, `gate.weight [hidden, K]` and
 * `gate.bias`, whatever the gate. `forward` maps features `[B, H, W, C]` to gates `[B, K]` in [0, 1]. `madds` counts the
 * convolution on the pooled cells and the linear map, not the pooling, and so is the same for every map size.
 *
 * @param options sizes, start bias, gate and the source of randomness
 * @returns a router that owns its weights until `dispose()`
 * @throws ConfigError when a size is not a whole number of at least 1; `forward` throws ShapeError on other features
 * @example createPoolRouter({ channels: 64, paths: 3, random: createRandom(0) }).forward(features)
 */
export function createPoolRouter({
  channels,
  paths,
  hidden = defaultHidden(channels),
  pool = 2,
  bias = 1.5,
  gate = tanhGate(),
  random,
}: PoolRouterOptions): PoolRouter {
  for (const [name, size] of Object.entries({ channels, paths, hidden, pool })) {
    if (!Number.isInteger(size) || size < 1) {
      throw new ConfigError(`A router's ${name} must be a whole number of at least 1, got ${size}.`, { [name]: size });
    }
  }
  return new PoolRouterModule({ channels, paths, hidden, pool, bias, gate, random });
}
