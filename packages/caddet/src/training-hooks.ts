// What follows a training run beside the trainer: warnings, metrics, evaluations, checkpoints, pictures, the report, progress. Their order matters:
// an evaluation comes before the checkpoint that it may make the best, the report behind what it shows.
import type { ImageDataset } from "@caddet/coco/node";
import type { ClassEntry } from "@caddet/detector";
import type { TrainHook } from "@caddet/trainer";
import { checkpointHook, metricsHook, progressHook, type RunFolder, tensorboardHook } from "@caddet/trainer/node";
import type { RunConfig } from "./config-file";
import { gateHealthHook } from "./gate-health-hook";
import type { Output } from "./output";
import { reportHook } from "./report/report-hook";
import { sampleImages } from "./report/sample-images";
import { openSamples } from "./training-set";
import { validationHook } from "./validation-hook";

/** Options of {@link trainingHooks}. */
export interface TrainingHooksOptions {
  /** COCO-format folder. */
  readonly data: string;
  /** The split that the run trains on. */
  readonly dataset: ImageDataset;
  readonly folder: RunFolder;
  readonly config: RunConfig;
  readonly classes: readonly ClassEntry[];
  /** Epochs between two evaluations of the split `val`. Default never. */
  readonly evaluateEvery?: number | undefined;
  readonly output: Output;
  /** Gets a sentence for what went wrong and ends nothing. */
  readonly warn: (text: string) => void;
}

function nonFiniteHook(warn: (text: string) => void): TrainHook {
  const consequences = { skip: "The batch is left out.", restore: "Back to the last checkpoint." };
  return { name: "non-finite", onNonFinite: ({ message, action }) => warn(`${message} ${consequences[action]}`) };
}

/**
 * Makes the hooks of `caddet train`; of several ranks, they are for the one that writes.
 *
 * @throws DatasetError or ConfigError when the split `val` is to be evaluated and is not there, or has other classes
 */
export async function trainingHooks(options: TrainingHooksOptions): Promise<TrainHook[]> {
  const { data, dataset, folder, config, classes, evaluateEvery: everyEpochs, output, warn } = options;
  const note = (text: string) => output.note(`\n${text}`);
  const validation =
    everyEpochs === undefined ? [] : [await validationHook({ data, split: "val", everyEpochs, classes, config, note })];
  const images = sampleImages({ dataset: await openSamples(data, dataset), warn });
  return [
    gateHealthHook(warn),
    nonFiniteHook(warn),
    metricsHook(folder),
    tensorboardHook(folder, { images }),
    ...validation,
    checkpointHook(folder, classes),
    reportHook(folder, { classes, warn }),
    progressHook(output.progress),
  ];
}
