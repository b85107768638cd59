// Budget mappings without memory: the fixed constraint (Section 4.2.1, i) and the scale-aware one (Eq. 3, Section 4.2.1, iii).
// The loss-aware one keeps a buffer and has a file of its own.
import { type BudgetMapping, type BudgetSample, ConfigError, ShapeError } from "@caddet/core";

/** Refuses a ratio outside (0, 1]. */
export function checkRatio(ratio: number): void {
  if (!(ratio > 0 && ratio <= 1)) {
    throw new ConfigError(
      `A budget ratio is a fraction of the total MAdds in (0, 1], got ${ratio}. The paper uses 0.05.`,
      {
        ratio,
      },
    );
  }
}

/** Options of {@link fixedBudget}. */
export interface FixedBudgetOptions {
  /** Expected cost of every image, as a fraction of the total MAdds, in (0, 1]. */
  readonly ratio: number;
}

/**
 * Gives every image the same budget.
 *
 * @param options the ratio
 * @returns a mapping to `ratio`, whatever the image
 * @throws ConfigError when the ratio is not in (0, 1]
 * @example fixedBudget({ ratio: 0.1 })
 */
export function fixedBudget({ ratio }: FixedBudgetOptions): BudgetMapping<unknown> {
  checkRatio(ratio);
  return (images) => new Float32Array(images.length).fill(ratio);
}

/** Options of {@link scaleBudget}. */
export interface ScaleBudgetOptions {
  /** C_0 as a fraction of the total MAdds, in (0, 1]. Default 0.05. */
  readonly ratio?: number;
  /**
   * `"mean"` (default) is Eq. 3 as printed, C_0 · Σs / m, at most C_0. `"sum"` is C_0 · Σs, which gives the range
   * [C_0, 4 C_0] that the caption of Table 1 and Section 4.2.1 state. The paper contradicts itself here.
   */
  readonly reduce?: "mean" | "sum";
}

/**
 * Gives an image the more budget, the more scale intervals its objects occupy (Eq. 3).
 *
 * @param options ratio and reduction
 * @returns a mapping to `ratio · Σs / m` or `ratio · Σs`; 0 for an image without objects
 * @throws ConfigError when an option is out of range; the mapping throws ShapeError on an empty scale encoding
 * @example scaleBudget()([{ scaleEncoding: [1, 0, 1, 0] }]) // 0.025
 */
export function scaleBudget({
  ratio = 0.05,
  reduce = "mean",
}: ScaleBudgetOptions = {}): BudgetMapping<Pick<BudgetSample, "scaleEncoding">> {
  checkRatio(ratio);
  if (reduce !== "mean" && reduce !== "sum") {
    throw new ConfigError(`scaleBudget reduces by "mean" or "sum", got "${String(reduce)}".`, { reduce });
  }
  return (images) =>
    Float32Array.from(images, ({ scaleEncoding }) => {
      const m = scaleEncoding.length;
      if (m === 0) throw new ShapeError("scaleBudget needs a scale encoding of at least one interval, got none.");
      let occupied = 0;
      for (let i = 0; i < m; i++) if (scaleEncoding[i]) occupied++;
      return ratio * (reduce === "mean" ? occupied / m : occupied);
    });
}
