// Stochastic gradient descent with momentum, as torch.optim.SGD and mmcv's optimizer hook do it: g = clip · gradient + decay · p;
// m = momentum · m + g; p = p − rate · m.
import { defineOperation, type Parameter } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { Optimizer, type OptimizerOptions, updateTogether } from "./optimizer";

interface SgdAttrs {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

const sgdUpdate = defineOperation<SgdAttrs>({
  name: "CaddetSgd",
  compose: ({ parameter, gradient, momentum, gradientScale }, attrs) => {
    const g = tf.add(tf.mul(gradient!, gradientScale!), tf.mul(parameter!, attrs.weightDecay));
    const m = tf.add(tf.mul(momentum!, attrs.momentum), g);
    return [tf.sub(parameter!, tf.mul(m, attrs.learningRate)), m];
  },
});

/** Options of {@link createSgd}. */
export interface SgdOptions extends OptimizerOptions {
  /** Default 0.9. */
  readonly momentum?: number;
}

/**
 * Makes an SGD optimiser with zero momentum.
 *
 * @param parameters by name, as `Module.namedParameters()` gives them
 * @param options momentum, decay, clipping, factors by kind
 * @returns the optimiser; dispose it when done
 * @example createSgd(detector.namedParameters(), { weightDecay: 1e-4 })
 */
export function createSgd(
  parameters: ReadonlyMap<string, Parameter>,
  { momentum = 0.9, ...options }: SgdOptions = {},
): Optimizer {
  return new Optimizer(
    parameters,
    {
      slots: 1,
      update: ({ parameter, gradient, slots, gradientScale, learningRate, weightDecay }) =>
        sgdUpdate({ parameter, gradient, momentum: slots[0]!, gradientScale }, { learningRate, momentum, weightDecay }),
      updateAll: (all) => updateTogether("CaddetSgd", ["momentum"], all, { momentum }),
    },
    options,
  );
}
