// The loss-aware budget (Section 4.2.1, ii): the rank of an image's detection loss among those of recent images becomes its
// budget, from C_0 for the easiest to 4 C_0 for the hardest.
import { type BudgetMapping, type BudgetSample, ConfigError, NonFiniteError } from "@caddet/core";
import { checkRatio } from "./mappings";

/** Options of {@link lossAwareBudget}. */
export interface LossAwareBudgetOptions {
  /** C_0 as a fraction of the total MAdds, in (0, 1]; budgets lie in [ratio, 4 · ratio]. */
  readonly ratio: number;
  /** How many recent losses are remembered, default 100. */
  readonly window?: number;
}

/** What {@link lossAwareBudget} remembers: the last losses, oldest first. */
export interface LossAwareState {
  readonly losses: readonly number[];
}

/** A budget mapping that ranks losses, and whose memory can be saved. */
export interface LossAwareBudget extends BudgetMapping<Pick<BudgetSample, "detectionLoss">> {
  readonly usesLoss: true;
  readonly state: () => LossAwareState;
  readonly restore: (state: unknown) => void;
}

// The share of the buffer below the loss, in [0, 1]; equal losses count half, so that a constant loss ranks in the middle.
function rank(loss: number, buffer: readonly number[]): number {
  if (buffer.length === 0) return 0.5;
  let below = 0;
  for (const other of buffer) below += other < loss ? 1 : other === loss ? 0.5 : 0;
  return below / buffer.length;
}

function finiteLosses(state: unknown): number[] {
  const losses = (state as { losses?: unknown } | null | undefined)?.losses;
  if (!Array.isArray(losses) || !losses.every(Number.isFinite)) {
    throw new ConfigError(
      "lossAwareBudget restores { losses: number[] } with finite numbers; the saved state is another.",
    );
  }
  return losses;
}

/**
 * Gives an image the more budget, the higher its detection loss ranks among the last `window` ones.
 *
 * All images of a call are ranked against the images of earlier calls, so their order does not matter; then their losses
 * enter the buffer. While the buffer is empty, the budget is the middle of the range.
 *
 * @param options ratio and window
 * @returns a mapping to `ratio · (1 + 3 · rank)`, with `usesLoss`, and `state` and `restore` for the buffer
 * @throws ConfigError when an option is out of range; the mapping throws NonFiniteError when a detection loss is absent or
 * not finite, and leaves the buffer as it was
 * @example const mapping = lossAwareBudget({ ratio: 0.05 }); const saved = JSON.stringify(mapping.state());
 */
export function lossAwareBudget({ ratio, window = 100 }: LossAwareBudgetOptions): LossAwareBudget {
  checkRatio(ratio);
  if (!Number.isInteger(window) || window < 1) {
    throw new ConfigError(`lossAwareBudget remembers a whole number of losses, at least 1, got ${window}.`, { window });
  }
  let buffer: number[] = [];
  const mapping: BudgetMapping<Pick<BudgetSample, "detectionLoss">> = (images) => {
    const losses = images.map(({ detectionLoss }, image) => {
      if (detectionLoss === undefined || !Number.isFinite(detectionLoss)) {
        throw new NonFiniteError(
          `lossAwareBudget needs a finite detection loss an image, got ${detectionLoss} for image ${image} of the batch.`,
          { image, detectionLoss },
        );
      }
      return detectionLoss;
    });
    const budgets = Float32Array.from(losses, (loss) => ratio * (1 + 3 * rank(loss, buffer)));
    buffer = [...buffer, ...losses].slice(-window);
    return budgets;
  };
  return Object.assign(mapping, {
    usesLoss: true as const,
    state: () => ({ losses: [...buffer] }),
    restore: (state: unknown) => {
      buffer = finiteLosses(state).slice(-window);
    },
  });
}
