// One place that decides what a bad entry does: end the work with an error, or be counted and left out.
import { DatasetError, type ErrorDetails } from "@caddet/core/base";
import type { SkipCounts, SkipReason } from "./dataset";

/** What a bad image or annotation does. */
export type BadEntryPolicy = "error" | "skip" | "keep";

/** Counts what is left out, or throws. */
export interface SkipCounter {
  /** Counts one entry under `reason`; under the policy "error" throws `message` instead. */
  skip(reason: SkipReason, message: string, details: ErrorDetails): void;
  counts(): SkipCounts;
}

/** Makes a counter. */
export function skipCounter(policy: BadEntryPolicy): SkipCounter {
  const counts: Partial<Record<SkipReason, number>> = {};
  return {
    skip(reason, message, details) {
      if (policy === "error") throw new DatasetError(message, { ...details, reason });
      counts[reason] = (counts[reason] ?? 0) + 1;
    },
    counts: () => counts,
  };
}
