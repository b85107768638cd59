// A router with the arrays of @caddet/router's, but of another class and width: what must not be taken for it.
import { adaptiveAveragePool, Conv, Linear, Module, type Random, type Router } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** What a supernet tells of the node that a router is for. */
export interface RouterNode {
  readonly channels: number;
  readonly paths: number;
  readonly random: Random;
}

/** A pool router of one's own. */
export class LookAlikeRouter extends Module implements Router {
  readonly #squeeze: Conv;
  readonly #linear: Linear;

  constructor({ channels, paths, random }: RouterNode) {
    super();
    const hidden = 5;
    this.#squeeze = this.child("squeeze", new Conv({ inChannels: channels, outChannels: hidden, random }));
    this.#linear = this.child("gate", new Linear({ inFeatures: hidden, outFeatures: paths, random }));
  }

  forward(features: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => {
      const [batch, , , channels] = features.shape;
      const cells = tf.reshape(adaptiveAveragePool(features, 2), [batch, 2, 2, channels]) as tf.Tensor4D;
      const average = tf.mean(tf.relu(this.#squeeze.apply(cells)), [1, 2]) as tf.Tensor2D;
      return tf.relu(tf.tanh(this.#linear.apply(average))) as tf.Tensor2D;
    });
  }

  madds(): number {
    return 0;
  }
}
