// Adam with decoupled weight decay, as torch.optim.AdamW does it (Loshchilov and Hutter 2019): learns faster than SGD where a run is
// short or starts from scratch.
import { defineOperation, type Parameter } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { Optimizer, type OptimizerOptions, updateTogether } from "./optimizer";

interface AdamAttrs {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** From 1. */
  readonly step: number;
}

const adamUpdate = defineOperation<AdamAttrs>({
  name: "CaddetAdamW",
  compose: ({ parameter, gradient, mean, square, gradientScale }, attrs) => {
    const { learningRate, beta1, beta2, epsilon, weightDecay, step } = attrs;
    const g = tf.mul(gradient!, gradientScale!);
    const m = tf.add(tf.mul(mean!, beta1), tf.mul(g, 1 - beta1));
    const v = tf.add(tf.mul(square!, beta2), tf.mul(tf.square(g), 1 - beta2));
    const spread = tf.add(tf.div(tf.sqrt(v), Math.sqrt(1 - beta2 ** step)), epsilon);
    const move = tf.mul(tf.div(m, spread), learningRate / (1 - beta1 ** step));
    return [tf.sub(tf.mul(parameter!, 1 - learningRate * weightDecay), move), m, v];
  },
});

/** Options of {@link createAdamW}. */
export interface AdamWOptions extends OptimizerOptions {
  /** Decay of the mean gradient, default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean squared gradient, default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Makes an AdamW optimiser.
 *
 * @param parameters by name, as `Module.namedParameters()` gives them
 * @param options decay rates, weight decay (default 1e-4), clipping, factors by kind
 * @returns the optimiser; dispose it when done
 * @example createAdamW(detector.namedParameters(), { weightDecay: 0.01 })
 */
export function createAdamW(
  parameters: ReadonlyMap<string, Parameter>,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, ...options }: AdamWOptions = {},
): Optimizer {
  return new Optimizer(
    parameters,
    {
      slots: 2,
      update: ({ parameter, gradient, slots, gradientScale, learningRate, weightDecay, step }) =>
        adamUpdate(
          { parameter, gradient, mean: slots[0]!, square: slots[1]!, gradientScale },
          { learningRate, beta1, beta2, epsilon, weightDecay, step },
        ),
      updateAll: (all) => updateTogether("CaddetAdamW", ["mean", "square"], all, { beta1, beta2, epsilon }),
    },
    options,
  );
}
