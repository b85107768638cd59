// A budget by object count. All that it needs is in the sample: a mapping is a function from samples to fractions.
import { type BudgetMapping, ConfigError } from "@caddet/core";

/** The ends of a budget, as fractions of the total MAdds. */
export interface BudgetRange {
  /** Budget of the least image, in (0, high]. */
  readonly low: number;
  /** Budget of the most, in [low, 1]. */
  readonly high: number;
}

/** Fails on a range that no budget can have. */
export function checkRange({ low, high }: BudgetRange): void {
  if (low > 0 && low <= high && high <= 1) return;
  throw new ConfigError(`A budget's range needs 0 < low <= high <= 1, got low ${low} and high ${high}.`, { low, high });
}

/** Options of {@link countBudget}. */
export interface CountBudgetOptions extends BudgetRange {
  /** Objects at which the budget is `high`; more do not raise it. At least 1. */
  readonly most: number;
}

/**
 * Gives an image the more budget, the more objects it shows; crowds do not count.
 *
 * @param options range and the count at its upper end
 * @returns a mapping from `low` without objects to `high` with `most` of them
 * @throws ConfigError when an option is out of range
 * @example createTrainer({ detector, batches, config, mapping: countBudget({ low: 0.1, high: 0.9, most: 8 }) })
 */
export function countBudget({ low, high, most }: CountBudgetOptions): BudgetMapping {
  checkRange({ low, high });
  if (!(most >= 1)) throw new ConfigError(`countBudget needs a count of at least 1 as most, got ${most}.`, { most });
  return (samples) =>
    Float32Array.from(samples, ({ truth: { crowd } }) => {
      const count = crowd.reduce((n, flag) => n + (flag ? 0 : 1), 0);
      return low + ((high - low) * Math.min(count, most)) / most;
    });
}
