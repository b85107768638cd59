// The hard concrete gate (Louizos, Welling and Kingma 2018, Section 2.2): a binary concrete variable, stretched beyond [0, 1] and
// clipped, so that it is exactly 0 or 1 with some probability; and the expected number of open gates, which it makes differentiable.
import { ConfigError, type Random } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describedGate, type Gate } from "./gate";
import { checkTemperature, logisticNoise } from "./noise";

/** The shape of the hard concrete distribution; its location log α is the logit. */
export interface HardConcreteShape {
  /** Temperature β, positive. Default 2/3. */
  readonly beta?: number;
  /** Lower end γ of the stretched interval, below 0. Default -0.1. */
  readonly gamma?: number;
  /** Upper end ζ of the stretched interval, above 1. Default 1.1. */
  readonly zeta?: number;
}

/** Options of {@link hardConcreteGate}. */
export interface HardConcreteGateOptions extends HardConcreteShape {
  /** Draws the noise of training. */
  readonly random: Random;
}

function checkedShape({ beta = 2 / 3, gamma = -0.1, zeta = 1.1 }: HardConcreteShape): Required<HardConcreteShape> {
  checkTemperature(beta, "beta");
  if (!(gamma < 0 && zeta > 1 && Number.isFinite(zeta - gamma))) {
    throw new ConfigError(
      `A hard concrete gate is stretched beyond [0, 1]: gamma < 0 and zeta > 1, got gamma ${gamma} and zeta ${zeta}.`,
      { gamma, zeta },
    );
  }
  return { beta, gamma, zeta };
}

/**
 * A gate that is exactly 0 or 1 with some probability, and passes the gradient in between.
 *
 * Training: `clip(s · (ζ - γ) + γ, 0, 1)` with `s = sigmoid((logit + noise) / β)` and logistic noise, new in each call.
 * Inference: the same without noise and with β = 1 (their Eq. 13).
 *
 * @param options source of the noise and the distribution's shape
 * @returns a gate, random in training; equal generators give equal gates
 * @throws ConfigError unless beta > 0, gamma < 0 and zeta > 1
 * @example createPoolRouter({ channels: 64, paths: 3, gate: hardConcreteGate({ random: createRandom(1) }), random })
 */
export function hardConcreteGate({ random, ...shape }: HardConcreteGateOptions): Gate {
  const { beta, gamma, zeta } = checkedShape(shape);
  const compute: Gate = (logits, { training }) =>
    tf.tidy(() => {
      const location = training ? tf.div(tf.add(logits, logisticNoise(logits.shape, random)), beta) : logits;
      const stretched = tf.add(tf.mul(tf.sigmoid(location), zeta - gamma), gamma);
      return tf.clipByValue(stretched, 0, 1) as tf.Tensor2D;
    });
  return describedGate(compute, { kind: "hard-concrete", beta, gamma, zeta });
}

/**
 * The probability that a hard concrete gate is not 0, `sigmoid(logit - β · log(-γ / ζ))`.
 *
 * @param logits `[B, K]`, those of which the gates are made, such as `PoolRouter.logits`
 * @param shape as for {@link hardConcreteGate}
 * @returns `[B, K]` in [0, 1], differentiable
 * @throws ConfigError unless beta > 0, gamma < 0 and zeta > 1
 * @example hardConcreteOpenProbability(router.logits(features))
 */
export function hardConcreteOpenProbability(logits: tf.Tensor2D, shape: HardConcreteShape = {}): tf.Tensor2D {
  const { beta, gamma, zeta } = checkedShape(shape);
  return tf.tidy(() => tf.sigmoid(tf.sub(logits, beta * Math.log(-gamma / zeta))) as tf.Tensor2D);
}

/**
 * The expected number of open paths of each image, the L0 penalty of hard concrete gates (their Eq. 12).
 *
 * @param logits `[B, K]`, those of which the gates are made, such as `PoolRouter.logits`
 * @param shape as for {@link hardConcreteGate}
 * @returns `[B]` in [0, K], differentiable
 * @throws ConfigError unless beta > 0, gamma < 0 and zeta > 1
 * @example tf.mean(expectedL0(router.logits(features))) // a term of the loss
 */
export function expectedL0(logits: tf.Tensor2D, shape: HardConcreteShape = {}): tf.Tensor1D {
  return tf.tidy(() => tf.sum(hardConcreteOpenProbability(logits, shape), 1) as tf.Tensor1D);
}
