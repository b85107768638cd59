// The batches that a run takes, and where they come from; a loader of @caddet/coco/node fits.
import type { GroundTruth, ImageSize } from "@caddet/core";

/** A batch as a loader gives it. */
export interface TrainBatch {
  /** `[B * H * W * 3]`, normalised, padded with zeros. */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly truths: readonly GroundTruth[];
  readonly sizes: readonly ImageSize[];
  readonly imageIds: readonly number[];
}

/** Where batches come from; the order must be a function of the epoch alone. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  epoch(epoch: number, options?: { readonly startBatch?: number }): AsyncIterable<TrainBatch>;
  /** Gets each batch back when nothing uses its memory any more. */
  recycle?(batch: TrainBatch): void;
}
