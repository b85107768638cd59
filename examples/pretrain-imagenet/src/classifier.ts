// The supernet as a classifier: routers removed, every gate 1 (§4.1), and a linear map of the pooled scales.
import { Linear, Module, type Random, type Router, tidy } from "@caddet/core";
import { createSupernet, type Supernet, type SupernetShape } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";

/** A router without weights that keeps every path open. */
class OpenRouter extends Module implements Router {
  readonly #paths: number;

  constructor(paths: number) {
    super();
    this.#paths = paths;
  }

  forward(features: tf.Tensor4D): tf.Tensor2D {
    return tf.ones([features.shape[0], this.#paths]);
  }

  madds(): number {
    return 0;
  }
}

/** Options of {@link Classifier}. */
export interface ClassifierOptions {
  readonly shape: SupernetShape;
  readonly classes: number;
  readonly random: Random;
}

/** A supernet and a linear map. Its weights below `backbone.` have the names that a detector's have. */
export class Classifier extends Module {
  readonly backbone: Supernet;
  readonly output: Linear;

  constructor({ shape, classes, random }: ClassifierOptions) {
    super();
    const router = ({ paths }: { readonly paths: number }) => new OpenRouter(paths);
    this.backbone = this.child("backbone", createSupernet({ ...shape, router, random }));
    const { channels, strides } = this.backbone;
    this.output = this.child(
      "classifier",
      new Linear({ inFeatures: channels * strides.length, outFeatures: classes, init: { std: 0.01 }, random }),
    );
  }

  /** Maps images `[B, H, W, 3]` to logits `[B, classes]`. Differentiable. */
  forward(images: tf.Tensor4D, { training }: { readonly training: boolean }): tf.Tensor2D {
    return tidy(() => {
      const { maps } = this.backbone.forward(images, { training }).features;
      return this.output.apply(tf.concat(maps.map((map) => tf.mean(map, [1, 2])) as tf.Tensor2D[], 1));
    });
  }
}

/**
 * The mean cross-entropy.
 *
 * @param logits `[B, classes]`
 * @param labels `[B]`
 */
export function crossEntropy(logits: tf.Tensor2D, labels: Int32Array): tf.Scalar {
  return tf.tidy(() => {
    const oneHot = tf.cast(tf.oneHot(tf.tensor1d(labels, "int32"), logits.shape[1]), "float32");
    return tf.neg(tf.mean(tf.sum(tf.mul(oneHot, tf.logSoftmax(logits)), 1))) as tf.Scalar;
  });
}
