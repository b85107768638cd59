// The evaluation that a report shows: made here with the run's checkpoint, or put together from files that an earlier one left.
import { type CocoResults, type EvaluationResult, evaluateDetections } from "@caddet/coco";
import { createLoader, type ImageDataset, loadResults } from "@caddet/coco/node";
import { DatasetError } from "@caddet/core";
import { evaluateDetector } from "@caddet/trainer";
import { checkClasses, take } from "../commands/evaluate";
import type { LoadedModel } from "../model-file";
import type { Output } from "../output";
import { readSavedGates } from "./saved-gates";

/** An evaluation, with what is needed to draw it. */
export interface RunEvaluation {
  readonly dataset: ImageDataset;
  readonly coco: EvaluationResult;
  readonly results: CocoResults;
  /** The images that were evaluated. */
  readonly imageIds: readonly number[];
  /** `[I]`, executed MAdds of blocks and paths; absent where they are not known, or the network is static. */
  readonly madds?: Float64Array;
  /** `[I * P]`; absent as `madds` is. */
  readonly gates?: Float32Array;
  /** Of an image in milliseconds; absent for saved results. */
  readonly medianMs?: number;
  /** Where it comes from, in words. */
  readonly source: string;
}

/** What an evaluation is made with. */
export interface EvaluateRunOptions {
  readonly model: LoadedModel;
  readonly dataset: ImageDataset;
  readonly limit?: number;
  /** What computes, in words. */
  readonly device: string;
}

/**
 * Evaluates a checkpoint.
 *
 * @param options model, data set, the most images
 * @param output gets remarks
 * @throws CheckpointError when the classes are not those of the data set
 */
export async function evaluateRun(options: EvaluateRunOptions, output: Output): Promise<RunEvaluation> {
  const { model, dataset, limit, device } = options;
  checkClasses(model, dataset);
  const { shorter, longer, padTo, mean, std } = model.data;
  const loader = createLoader(dataset, {
    batchSize: 1,
    size: { shorter, longer },
    padTo,
    normalise: { mean, std },
    onSkip: ({ message }) => output.note(`left out: ${message}\n`),
  });
  const all = Math.min(dataset.images.ids.length, limit ?? Number.POSITIVE_INFINITY);
  const evaluation = await evaluateDetector({
    detector: model.detector,
    dataset,
    batches: take(loader.epoch(0), all),
    onProgress: (n) => {
      if (n % 50 === 0 || n === all) output.note(`${n}/${all} images\n`);
    },
  }).finally(() => loader.dispose());
  return { ...evaluation, dataset, source: `evaluated on ${device}` };
}

/** Files of an earlier evaluation. */
export interface SavedEvaluationOptions {
  readonly dataset: ImageDataset;
  /** In COCO's results format. */
  readonly results: string;
  /** The routes. */
  readonly gates?: string;
  readonly limit?: number;
}

/**
 * Puts an evaluation together from files.
 *
 * @param options data set and files
 * @throws DatasetError when a file is broken, or its images are not those of the data set
 */
export async function readSavedEvaluation(options: SavedEvaluationOptions): Promise<RunEvaluation> {
  const { dataset, limit } = options;
  const results = await loadResults(options.results);
  const saved = options.gates === undefined ? undefined : await readSavedGates(options.gates);
  const known = new Set(dataset.images.ids);
  const strange = saved?.imageIds.find((id) => !known.has(id));
  if (strange !== undefined) {
    throw new DatasetError(`${options.gates} has image ${strange}, ${dataset.file} has not. Give the same split.`, {
      imageId: strange,
    });
  }
  const imageIds = saved?.imageIds ?? Array.from(dataset.images.ids).slice(0, limit);
  if (imageIds.length === 0) {
    throw new DatasetError(`${dataset.file} has no images, so that there is nothing to evaluate.`);
  }
  return {
    dataset,
    coco: evaluateDetections(dataset, results, { imgIds: imageIds }),
    results,
    imageIds,
    ...(saved ? { madds: saved.madds, gates: saved.gates } : {}),
    source: `saved detections of ${options.results}`,
  };
}
