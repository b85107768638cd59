// What a training run tells its hooks. Hooks run in the order of their list, one after another, and may be asynchronous.
import type { Spread } from "./spread";
import type { Trainer } from "./trainer";

/** One optimisation step; of several ranks, with the images of all, rank by rank. Times are rank 0's. */
export interface StepRecord {
  /** From 1. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  readonly learningRate: number;
  /** The terms of the objective by name, and their sum as `total`; of several ranks the means. */
  readonly loss: Readonly<Record<string, number>>;
  /** L2 norm of all gradients before clipping. */
  readonly gradientNorm: number;
  /** Images of this step over its wall time, the wait for data included. */
  readonly imagesPerSecond: number;
  /** Share of the step's wall time spent waiting for data. */
  readonly dataShare: number;
  /** Executed MAdds of blocks and paths by this step's gates, over the images; absent for a static backbone. */
  readonly madds?: Spread;
  /** Share of paths that are open; absent for a static backbone. */
  readonly openPaths?: number;
  /** Tensors alive between two steps. */
  readonly tensors: number;
  readonly imageIds: readonly number[];
}

/** A step whose loss or gradient was not finite, and that the run survived. */
export interface NonFiniteEvent {
  /** From 1: the step that did not come about. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  readonly imageIds: readonly number[];
  /** What was not finite. */
  readonly message: string;
  readonly action: "skip" | "restore";
  /** How many there were in the run, with this one. */
  readonly count: number;
}

/** Numbers of an evaluation by name. */
export type Metrics = Readonly<Record<string, number>>;

/**
 * Something that follows a run. Order of the calls: `onStart`, then for each step `onGates` (of a dynamic backbone) and `onStep`, or instead of
 * both `onNonFinite`; after the last step of an epoch `onEpoch`; at last `onEnd`, or after a failure `onError` and nothing of those; then, in
 * the reverse order of the list, `onClose`.
 */
export interface TrainHook {
  readonly name: string;
  /** Whether each rank of several calls it. Default false: rank 0 alone, which is who writes files. */
  readonly everyRank?: boolean;
  onStart?(trainer: Trainer): void | Promise<void>;
  /** `gates` `[B * P]`: the soft gates of the step's images, row-major, only to be read. `epoch` from 0. */
  onGates?(gates: Float32Array, epoch: number, trainer: Trainer): void | Promise<void>;
  onStep?(record: StepRecord, trainer: Trainer): void | Promise<void>;
  /** A batch was left out; under "restore", the run stands where its checkpoint was by then. */
  onNonFinite?(event: NonFiniteEvent, trainer: Trainer): void | Promise<void>;
  /** Asks to put the run back to its last checkpoint. Returns whether that was done; the first hook that does it is the last one asked. */
  onRestore?(trainer: Trainer): boolean | Promise<boolean>;
  /** `epoch` from 0: the one that has just ended. */
  onEpoch?(epoch: number, trainer: Trainer): void | Promise<void>;
  /** Someone has called `trainer.reportEvaluation`, mostly from `onEpoch`. */
  onEvaluation?(metrics: Metrics, trainer: Trainer): void | Promise<void>;
  onEnd?(trainer: Trainer): void | Promise<void>;
  onError?(error: unknown, trainer: Trainer): void | Promise<void>;
  /** The run is over, one way or the other. Also comes after an `onStart` that failed. */
  onClose?(trainer: Trainer): void | Promise<void>;
}
