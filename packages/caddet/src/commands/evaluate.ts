// `caddet evaluate`: COCO's numbers of a detector on a split, and what it cost.
import { formatStatistics, resultsToJson } from "@caddet/coco";
import { createLoader, type ImageDataset, loadDataset } from "@caddet/coco/node";
import { CheckpointError, ConfigError } from "@caddet/core";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { evaluateDetector, spreadOf } from "@caddet/trainer";
import { writeFileAtomic } from "@caddet/trainer/node";
import { type LoadedModel, loadModel } from "../model-file";
import type { Output } from "../output";
import { gatesToJson } from "../report/saved-gates";
import { skipText } from "../skip-text";

/** Options of the command. */
export interface EvaluateOptions {
  readonly run: string;
  readonly data: string;
  readonly split: string;
  readonly limit?: number;
  readonly results?: string;
  readonly gates?: string;
  readonly backend: BackendName | "auto";
  readonly json: boolean;
}

/** Throws unless a model knows the classes of a data set. */
export function checkClasses({ classes, file }: LoadedModel, { categories }: ImageDataset): void {
  const same = classes.length === categories.ids.length && classes.every(({ id }, i) => id === categories.ids[i]);
  if (same) return;
  throw new CheckpointError(
    `${file} knows ${classes.length} classes (ids ${classes[0]?.id}..${classes.at(-1)?.id}), the data set has ` +
      `${categories.ids.length} others (ids ${categories.ids[0]}..${categories.ids.at(-1)}). Evaluate on a set with the same class table.`,
    { file },
  );
}

/** The first n images of a data set. */
export async function* take<T extends { readonly imageIds: readonly number[] }>(batches: AsyncIterable<T>, n: number) {
  let done = 0;
  for await (const batch of batches) {
    yield batch;
    done += batch.imageIds.length;
    if (done >= n) return;
  }
}

/** Evaluates and prints. */
export async function evaluate(options: EvaluateOptions, output: Output): Promise<void> {
  // As pycocotools reads it: degenerate boxes stay, what refers to nothing does not count.
  const dataset = await loadDataset(options.data, options.split, { onBadEntry: "keep" });
  const leftOut = skipText(dataset.skipped);
  if (leftOut) output.note(`left out of ${dataset.file}: ${leftOut}\n`);
  const backend = await prepareBackend({ backend: options.backend });
  const model = await loadModel(options.run);
  try {
    checkClasses(model, dataset);
    const { data } = model;
    const loader = createLoader(dataset, {
      batchSize: 1,
      size: { shorter: data.shorter, longer: data.longer },
      padTo: data.padTo,
      normalise: { mean: data.mean, std: data.std },
      onSkip: ({ message }) => output.note(`left out: ${message}\n`),
    });
    const all = Math.min(dataset.images.ids.length, options.limit ?? Number.POSITIVE_INFINITY);
    let shown = 0;
    const evaluation = await evaluateDetector({
      detector: model.detector,
      dataset,
      batches: take(loader.epoch(0), all),
      onProgress: (n) => {
        if (n - shown < 50 && n < all) return;
        shown = n;
        output.note(`${n}/${all} images\n`);
      },
    }).finally(() => loader.dispose());
    const { coco, results, imageIds, madds, medianMs } = evaluation;
    for (const warning of coco.warnings) output.note(`${warning}\n`);
    if (options.results) await writeFileAtomic(options.results, JSON.stringify(resultsToJson(results)));
    if (options.gates) {
      const routes = gatesToJson(evaluation);
      if (!routes) throw new ConfigError("--gates: this network is static and has no routes. Leave it out.");
      await writeFileAtomic(options.gates, JSON.stringify(routes));
    }
    const spread = madds ? spreadOf(madds) : null;
    if (options.json) {
      output.json({
        stats: [...coco.stats],
        madds: spread,
        ms: { median: medianMs },
        images: imageIds.length,
        backend: backend.name,
        skipped: { annotations: dataset.skipped, files: loader.skipped() },
      });
      return;
    }
    output.text(`${formatStatistics(coco.stats)}\n`);
    if (spread) {
      const { mean, min, max, std } = spread;
      const text = [mean, min, max, std].map((v) => (v / 1e6).toFixed(1));
      output.text(`blocks and paths, M MAdds: mean ${text[0]}, min ${text[1]}, max ${text[2]}, std ${text[3]}\n`);
    }
    output.text(`${medianMs.toFixed(1)} ms an image (median, batch 1, network and NMS) on ${backend.name}\n`);
  } finally {
    model.detector.dispose();
  }
}
