// COCO's numbers of a split while a run goes on, for the log and for `checkpoint.best`.
import { createLoader, loadDataset } from "@caddet/coco/node";
import { ConfigError } from "@caddet/core";
import type { ClassEntry } from "@caddet/detector";
import { evaluateDetector, evaluationHook, spreadOf, type TrainConfig, type TrainHook } from "@caddet/trainer";

/** Options of {@link validationHook}. */
export interface ValidationOptions {
  /** COCO-format folder. */
  readonly data: string;
  readonly split: string;
  readonly everyEpochs: number;
  readonly classes: readonly ClassEntry[];
  readonly config: TrainConfig;
  /** Gets a line for each evaluation. */
  readonly note: (text: string) => void;
}

/**
 * Makes a hook that evaluates a split every so many epochs and at the end.
 *
 * @returns the hook; its metrics are AP, AP50, AP75, APs, APm, APl, and madds where the backbone routes
 * @throws DatasetError when the split is not there; ConfigError when its classes are others
 */
export async function validationHook(options: ValidationOptions): Promise<TrainHook> {
  const { data, split, everyEpochs, classes, config, note } = options;
  const dataset = await loadDataset(data, split, { onBadEntry: "keep" });
  const { ids } = dataset.categories;
  if (ids.length !== classes.length || classes.some(({ id }, i) => id !== ids[i])) {
    throw new ConfigError(`${dataset.file} has other classes than the training split; give both the same table.`);
  }
  const { shorter, longer, padTo, mean, std } = config.data;
  return evaluationHook({
    everyEpochs,
    evaluate: async (detector, epoch) => {
      const loader = createLoader(dataset, {
        batchSize: 1,
        size: { shorter, longer },
        padTo,
        normalise: { mean, std },
      });
      const { coco, madds } = await evaluateDetector({ detector, dataset, batches: loader.epoch(0) }).finally(() =>
        loader.dispose(),
      );
      const [AP, AP50, AP75, APs, APm, APl] = coco.stats as unknown as [number, number, number, number, number, number];
      note(`epoch ${epoch + 1}: AP ${AP.toFixed(4)}, AP50 ${AP50.toFixed(4)} on ${split}\n`);
      return { AP, AP50, AP75, APs, APm, APl, ...(madds ? { madds: spreadOf(madds).mean } : {}) };
    },
  });
}
