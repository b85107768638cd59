// One place that decides what a bad entry does: end the work with an error, or be counted and left out.
import { DatasetError, type ErrorDetails } from "@caddet/core/base";
import type { SkipCounts, SkipReason } from "./dataset";

/** What a bad image or annotation does. */
export type BadEntryPolicy = "error" | "skip" | "keep";

/** An entry that was left out: why, in words, and where. */
export interface SkippedEntry {
  readonly reason: SkipReason;
  readonly message: string;
  /** The file, and the ids that could be read: `imageId`, `annotationId`. */
  readonly details: ErrorDetails;
}

/** Counts what is left out, or throws. */
export interface SkipCounter {
  /** Counts one entry under `reason`; under the policy "error" throws `message` instead. */
  skip(reason: SkipReason, message: string, details: ErrorDetails): void;
  counts(): SkipCounts;
}

/** Makes a counter; `onSkip` hears of each entry that is counted. */
export function skipCounter(policy: BadEntryPolicy, onSkip?: (entry: SkippedEntry) => void): SkipCounter {
  const counts: Partial<Record<SkipReason, number>> = {};
  return {
    skip(reason, message, details) {
      if (policy === "error") throw new DatasetError(message, { ...details, reason });
      counts[reason] = (counts[reason] ?? 0) + 1;
      onSkip?.({ reason, message, details });
    },
    counts: () => counts,
  };
}
