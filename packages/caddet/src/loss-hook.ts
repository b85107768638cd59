// Keeps what a training's summary says of its steps: the loss over the first and the last of them, and what the last batch cost.
import type { Spread, StepRecord, TrainHook } from "@caddet/trainer";

/** A run's steps in few numbers; null where there was no step, or a static backbone. */
export interface LossSummary {
  /** Mean over this call's first ten steps. */
  readonly firstLoss: number | null;
  /** Mean over its last ten. */
  readonly lastLoss: number | null;
  /** Of the last batch. */
  readonly madds: Spread | null;
}

/** A hook that keeps all losses. */
export function lossHook(): TrainHook & { summary(): LossSummary } {
  const totals: number[] = [];
  let last: StepRecord | undefined;
  const mean = (values: readonly number[]) =>
    values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : null;
  return {
    name: "loss",
    onStep: (record) => {
      totals.push(record.loss.total!);
      last = record;
    },
    summary: () => ({
      firstLoss: mean(totals.slice(0, 10)),
      lastLoss: mean(totals.slice(-10)),
      madds: last?.madds ?? null,
    }),
  };
}
