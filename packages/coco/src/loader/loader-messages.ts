// What the loader and its thread say to each other: plain data, and the memory of batches, which is shared or moves;
// nothing of it is copied.

import type { ImageFault } from "../images/image-file";
import type { MemoryPiece } from "./batch-memory";
import type { BatchJob } from "./batch-pixels";

/** To the thread: make a batch, in shared memory where there is some. */
export interface RenderOrder {
  readonly kind: "render";
  readonly id: number;
  readonly job: BatchJob;
  readonly memory: MemoryPiece | undefined;
}

/** To the thread: nobody waits for that batch any more. */
export interface CancelOrder {
  readonly kind: "cancel";
  readonly id: number;
}

/** To the thread: end after what is in work. */
export interface CloseOrder {
  readonly kind: "close";
}

export type LoaderOrder = RenderOrder | CancelOrder | CloseOrder;

/** A bad image, without its class. */
export interface FaultMessage {
  readonly image: number;
  readonly reason: ImageFault;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** From the thread: a batch, or nothing where it was cancelled. */
export interface RenderAnswer {
  readonly kind: "batch";
  readonly id: number;
  readonly batch:
    | {
        readonly images: Float32Array;
        readonly height: number;
        readonly width: number;
        readonly faults: readonly FaultMessage[];
      }
    | undefined;
}

/** From the thread: something else went wrong. */
export interface FailureAnswer {
  readonly kind: "failure";
  readonly id: number;
  readonly code: string;
  /** Of the error; for a missing sharp, what the import said. */
  readonly message: string;
}

export type LoaderAnswer = RenderAnswer | FailureAnswer;
