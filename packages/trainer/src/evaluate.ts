// Evaluation of a detector on a data set: routed detection, image by image as they come, COCO's numbers and what each image cost.
import {
  type CocoDataset,
  type CocoResults,
  concatResults,
  detectionsToResults,
  type EvaluationResult,
  evaluateDetections,
} from "@caddet/coco";
import { DatasetError } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import type { TrainBatch } from "./batches";

/** Options of {@link evaluateDetector}. */
export interface EvaluateOptions {
  readonly detector: Detector;
  /** The truth. */
  readonly dataset: CocoDataset;
  /** Its images, each once; sizes carry the scales, so that boxes come out in source pixels. */
  readonly batches: AsyncIterable<TrainBatch>;
  /** Called after every batch with the number of images done. */
  readonly onProgress?: (images: number) => void;
}

/** The outcome of an evaluation. */
export interface DetectorEvaluation {
  readonly coco: EvaluationResult;
  readonly results: CocoResults;
  /** In the order of the batches. */
  readonly imageIds: readonly number[];
  /** `[I]`, executed MAdds of blocks and paths; absent for a static backbone. */
  readonly madds?: Float64Array;
  /** `[I * P]`, gates as decided on; absent for a static backbone. */
  readonly gates?: Float32Array;
  /** Median wall time of network, decoding and NMS for one image, in milliseconds; the first batch warms up and is left out. */
  readonly medianMs: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function joined<A extends Float32Array | Float64Array>(parts: readonly A[], make: (length: number) => A): A {
  const out = make(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * Evaluates a detector.
 *
 * @param options detector, data set and its images
 * @returns COCO's numbers, the detections, the cost of each image
 * @throws DatasetError when there is no image; what the batches throw
 * @example const { coco, madds } = await evaluateDetector({ detector, dataset, batches: loader.epoch(0) });
 */
export async function evaluateDetector(options: EvaluateOptions): Promise<DetectorEvaluation> {
  const { detector, dataset, batches, onProgress } = options;
  const parts: CocoResults[] = [];
  const imageIds: number[] = [];
  const costs: Float64Array[] = [];
  const routes: Float32Array[] = [];
  const times: number[] = [];
  for await (const batch of batches) {
    const started = performance.now();
    const images = tf.tensor4d(batch.images, [...batch.shape]);
    const found = await detector.detect(images, batch.sizes).finally(() => images.dispose());
    times.push((performance.now() - started) / batch.shape[0]);
    parts.push(
      detectionsToResults(found.detections, { imageIds: batch.imageIds, categoryIds: dataset.categories.ids }),
    );
    imageIds.push(...batch.imageIds);
    if (found.madds && found.gates) {
      costs.push(found.madds);
      routes.push(found.gates);
    }
    onProgress?.(imageIds.length);
  }
  if (imageIds.length === 0) {
    throw new DatasetError(`${dataset.file}: the batches hold no image to evaluate on.`, { file: dataset.file });
  }
  const results = concatResults(parts);
  return {
    coco: evaluateDetections(dataset, results, { imgIds: imageIds }),
    results,
    imageIds,
    ...(costs.length > 0
      ? { madds: joined(costs, (n) => new Float64Array(n)), gates: joined(routes, (n) => new Float32Array(n)) }
      : {}),
    medianMs: median(times.length > 1 ? times.slice(1) : times),
  };
}
