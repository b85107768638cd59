// A router with the arrays of @caddet/router's, but other cells or another gate: what must not be taken for it.
import { adaptiveAveragePool, Conv, Linear, Module, type Random, type Router } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** Options of {@link LookAlikeRouter}. */
export interface LookAlikeOptions {
  readonly channels: number;
  readonly paths: number;
  readonly random: Random;
  /** Default 2, as in @caddet/router. */
  readonly pool?: number;
  /** Default relu(tanh(·)), as in @caddet/router. */
  readonly gate?: (logits: tf.Tensor2D) => tf.Tensor;
}

/** A pool router of one's own. */
export class LookAlikeRouter extends Module implements Router {
  readonly #squeeze: Conv;
  readonly #linear: Linear;
  readonly #pool: number;
  readonly #gate: (logits: tf.Tensor2D) => tf.Tensor;

  constructor({ channels, paths, random, pool = 2, gate = (x) => tf.relu(tf.tanh(x)) }: LookAlikeOptions) {
    super();
    const hidden = 5;
    this.#squeeze = this.child("squeeze", new Conv({ inChannels: channels, outChannels: hidden, random }));
    this.#linear = this.child("gate", new Linear({ inFeatures: hidden, outFeatures: paths, random }));
    this.#pool = pool;
    this.#gate = gate;
  }

  forward(features: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => {
      const [batch, , , channels] = features.shape;
      const n = this.#pool;
      const cells = tf.reshape(adaptiveAveragePool(features, n), [batch, n, n, channels]) as tf.Tensor4D;
      const average = tf.mean(tf.relu(this.#squeeze.apply(cells)), [1, 2]) as tf.Tensor2D;
      return this.#gate(this.#linear.apply(average)) as tf.Tensor2D;
    });
  }

  madds(): number {
    return 0;
  }
}
