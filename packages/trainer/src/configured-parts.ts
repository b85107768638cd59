// The optimiser and the budget mapping that a configuration names.
import { fixedBudget, lossAwareBudget, scaleBudget } from "@caddet/budget";
import { type BudgetMapping, ConfigError } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import { createAdamW } from "./adamw";
import type { TrainConfig } from "./config";
import type { Optimizer } from "./optimizer";
import { createSgd } from "./sgd";

/** The mapping of `budget`; throws ConfigError for one that only its maker has. */
export function mappingOf({ budget }: TrainConfig): BudgetMapping {
  const { mapping, ratio, reduce } = budget;
  switch (mapping) {
    case "scale":
      return scaleBudget({ ratio, reduce });
    case "fixed":
      return fixedBudget({ ratio });
    case "loss":
      return lossAwareBudget({ ratio });
    case "custom":
      throw new ConfigError(
        'budget.mapping is "custom": pass that mapping to createTrainer, or choose "scale", "fixed" or "loss".',
      );
  }
}

/** The optimiser of `optimizer` over a detector's parameters. */
export function optimizerOf(detector: Detector, { optimizer }: TrainConfig): Optimizer {
  const shared = {
    weightDecay: optimizer.weightDecay,
    clipNorm: optimizer.clipNorm,
    rateFactors: { bias: optimizer.biasLrFactor },
    decayFactors: { bias: optimizer.biasDecayFactor, norm: optimizer.normDecayFactor },
  };
  const parameters = detector.namedParameters();
  return optimizer.type === "sgd"
    ? createSgd(parameters, { ...shared, momentum: optimizer.momentum })
    : createAdamW(parameters, { ...shared, beta1: optimizer.momentum, beta2: optimizer.beta2 });
}
