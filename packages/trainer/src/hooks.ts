// What a training run tells its hooks. Hooks run in the order of their list, one after another, and may be asynchronous.
import type { Spread } from "./spread";
import type { Trainer } from "./trainer";

/** One optimisation step. */
export interface StepRecord {
  /** From 1. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  readonly learningRate: number;
  /** The terms of the objective by name, and their sum as `total`. */
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

/**
 * Something that follows a run. Order of the calls: `onStart`, then for each step `onGates` (of a dynamic backbone) and `onStep`, after the last
 * step of an epoch `onEpoch`, at last `onEnd`; after a failure `onError` and nothing else.
 */
export interface TrainHook {
  readonly name: string;
  onStart?(trainer: Trainer): void | Promise<void>;
  /** `gates` `[B * P]`: the soft gates of the step's images, row-major, only to be read. `epoch` from 0. */
  onGates?(gates: Float32Array, epoch: number, trainer: Trainer): void | Promise<void>;
  onStep?(record: StepRecord, trainer: Trainer): void | Promise<void>;
  /** `epoch` from 0: the one that has just ended. */
  onEpoch?(epoch: number, trainer: Trainer): void | Promise<void>;
  onEnd?(trainer: Trainer): void | Promise<void>;
  onError?(error: unknown, trainer: Trainer): void | Promise<void>;
}
