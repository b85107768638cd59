// From logits to gates: the type that all gates share, and the two that are the same in every call. tanhGate is the paper's
// (Section 3.4, after Li et al. 2020); the random ones are in hard-concrete.ts and gumbel.ts.
import { ConfigError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** How a gate of this package was made: its kind and settings, as numbers that another runtime can compute with. */
export type GateSettings =
  | { readonly kind: "tanh" }
  | { readonly kind: "sigmoid"; readonly threshold: number }
  | { readonly kind: "hard-concrete"; readonly beta: number; readonly gamma: number; readonly zeta: number }
  | { readonly kind: "gumbel"; readonly temperature: number; readonly straightThrough: boolean };

/**
 * Maps logits `[B, K]` to gates `[B, K]` in [0, 1], differentiable while training. Only `training` may make it random. A path
 * that inference shall close has a gate of 0. Any function of this form is a gate; those of this package say how they were made.
 */
export interface Gate {
  (logits: tf.Tensor2D, options: { readonly training: boolean }): tf.Tensor2D;
  /** Absent for a gate of one's own. */
  readonly settings?: GateSettings;
}

/**
 * Lets a gate say how it was made.
 *
 * @param compute the gate
 * @param settings what it does, in full
 * @returns a gate with these settings
 */
export function describedGate(compute: Gate, settings: GateSettings): Gate {
  return Object.assign((...call: Parameters<Gate>) => compute(...call), { settings });
}

/**
 * The paper's gate, `relu(tanh(·))`: 0 for logits of at most 0, which then get no gradient.
 *
 * @returns a gate, the same in training and inference
 * @example createPoolRouter({ channels: 64, paths: 3, gate: tanhGate(), random })
 */
export function tanhGate(): Gate {
  return describedGate((logits) => tf.tidy(() => tf.relu(tf.tanh(logits))), { kind: "tanh" });
}

/** Options of {@link sigmoidGate}. */
export interface SigmoidGateOptions {
  /** Inference closes paths whose gate is below this, in [0, 1]. Default 0.5. */
  readonly threshold?: number;
}

/**
 * The logistic function. It is never 0, so inference sets what lies below a threshold to 0; training does not, and every logit
 * gets a gradient.
 *
 * @param options the threshold
 * @returns a gate, soft in training, with closed paths at 0 in inference
 * @throws ConfigError when the threshold is not in [0, 1]
 * @example createPoolRouter({ channels: 64, paths: 3, gate: sigmoidGate(), random })
 */
export function sigmoidGate({ threshold = 0.5 }: SigmoidGateOptions = {}): Gate {
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new ConfigError(`A sigmoid gate's threshold lies in [0, 1], got ${threshold}.`, { threshold });
  }
  const compute: Gate = (logits, { training }) =>
    tf.tidy(() => {
      const soft = tf.sigmoid(logits);
      return training ? soft : tf.mul(soft, tf.cast(tf.greaterEqual(soft, threshold), "float32"));
    });
  return describedGate(compute, { kind: "sigmoid", threshold });
}
