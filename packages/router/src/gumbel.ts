// The Gumbel-sigmoid or binary concrete gate (Maddison et al. 2017; Jang et al. 2017): open with the probability sigmoid(logit),
// relaxed while training so that the gradient passes, binary at inference.
import type { Random } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describedGate, type Gate } from "./gate";
import { checkTemperature, logisticNoise } from "./noise";

/** Options of {@link gumbelGate}. */
export interface GumbelGateOptions {
  /** Draws the noise of training. */
  readonly random: Random;
  /** The lower, the closer to 0 and 1 the gates of training are, and the less steady their gradient. Default 2/3. */
  readonly temperature?: number;
  /** Training's gates are 0 or 1, too, with the gradient of the relaxed ones. Default false. */
  readonly straightThrough?: boolean;
}

// 1 from one half on, else 0; the gradient passes as it is.
const roundThrough = tf.customGrad((soft) => ({
  value: tf.cast(tf.greaterEqual(soft as tf.Tensor2D, 0.5), "float32"),
  gradFunc: (dy) => tf.clone(dy as tf.Tensor),
}));

/**
 * A gate that opens with the probability sigmoid(logit).
 *
 * Training: `sigmoid((logit + noise) / temperature)` with logistic noise, new in each call. Inference: 1 for logits of at least
 * 0, that is, where open is at least as likely as closed, else 0.
 *
 * @param options source of the noise, temperature, straight-through
 * @returns a gate, random in training; equal generators give equal gates
 * @throws ConfigError when the temperature is not positive
 * @example createPoolRouter({ channels: 64, paths: 3, gate: gumbelGate({ random: createRandom(1) }), random })
 */
export function gumbelGate({ random, temperature = 2 / 3, straightThrough = false }: GumbelGateOptions): Gate {
  checkTemperature(temperature, "temperature");
  const compute: Gate = (logits, { training }) =>
    tf.tidy(() => {
      if (!training) return tf.cast(tf.greaterEqual(logits, 0), "float32") as tf.Tensor2D;
      const noisy = tf.add(logits, logisticNoise(logits.shape, random));
      const soft = tf.sigmoid(tf.div(noisy, temperature));
      return (straightThrough ? roundThrough(soft) : soft) as tf.Tensor2D;
    });
  return describedGate(compute, { kind: "gumbel", temperature, straightThrough });
}
