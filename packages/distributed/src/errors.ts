// What goes wrong between replicas. A replica's own mistake is told by the error that it threw; these say what became of the others.
import { CaddetError, type ErrorDetails } from "@caddet/core";

/**
 * Why a collective cannot go on: a rank threw or ended (`lost`), did not come in time (`timeout`), called something else (`mismatch`), returned
 * while others waited for it (`left`), the run was called off (`aborted`), or this engine cannot do it (`unsupported`).
 */
export type CollectiveFailure = "lost" | "timeout" | "mismatch" | "left" | "aborted" | "unsupported";

/** The replicas of a run can no longer exchange arrays. `reason` says why, `details` has the ranks. */
export class CollectiveError extends CaddetError {
  readonly reason: CollectiveFailure;

  constructor(reason: CollectiveFailure, message: string, details: ErrorDetails = {}) {
    super("collective", message, { ...details, reason });
    this.reason = reason;
  }
}

/** A replica threw, or its thread ended before it had a result. `cause` is what it threw. */
export class ReplicaError extends CaddetError {
  /** The replica's place in the run, from 0. */
  readonly rank: number;

  constructor(rank: number, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super("replica", message, { ...details, rank }, options);
    this.rank = rank;
  }
}
