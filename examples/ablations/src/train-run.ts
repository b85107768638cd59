// One run of a table: trains it to its end, from wherever an earlier process left it, evaluates it on val, and leaves its record. Nothing of
// a table is known here.
import { createLoader } from "@caddet/coco/node";
import { createRandom, type Size } from "@caddet/core";
import { buildDetector, type Detector } from "@caddet/detector";
import { createTrainer, evaluateDetector, spreadOf } from "@caddet/trainer";
import {
  checkpointHook,
  listCheckpoints,
  loaderOptions,
  loadInitialWeights,
  lockHook,
  metricsHook,
  type ProgressStream,
  progressHook,
  type RunFolder,
  resumeNewest,
  writeFileAtomic,
} from "@caddet/trainer/node";
import { constantMadds, routedMadds } from "./backbone-cost";
import { type EvaluationRecord, writeRecord } from "./evaluation-record";
import { parts } from "./parts";
import type { RunConfig } from "./row-config";
import { noteData, type TableData } from "./table-data";

/** What is to be run. */
export interface RunOrder {
  readonly run: string;
  readonly config: RunConfig;
  readonly folder: RunFolder;
  readonly data: TableData;
  /** The input that MAdds are counted for. */
  readonly size: Size;
  readonly backend: string;
  /** Asks to end after the current step, with a checkpoint. */
  readonly stop: { readonly aborted: boolean };
  readonly progress: ProgressStream;
}

async function evaluate(detector: Detector, { data, config, size, progress }: RunOrder, skip: () => void) {
  const { shorter, longer, padTo, mean, std } = config.data;
  const input = { size: { shorter, longer }, padTo, normalise: { mean, std } } as const;
  const loader = createLoader(data.val, { ...input, batchSize: 1, onSkip: skip });
  progress.write(`evaluating on ${data.val.images.ids.length} images\n`);
  try {
    const { coco, imageIds, gates } = await evaluateDetector({
      detector,
      dataset: data.val,
      batches: loader.epoch(0),
    });
    return {
      images: imageIds.length,
      stats: [...coco.stats],
      routed: gates ? spreadOf(routedMadds(detector.backbone, gates, size)) : null,
      constant: constantMadds(detector.backbone, size),
    };
  } finally {
    loader.dispose();
  }
}

/**
 * Trains, goes on training, or does nothing but evaluate, by what the folder holds.
 *
 * @param order what to run; the backend is ready
 * @returns the record, which is in the folder as well; undefined when it was asked to stop before the end
 * @throws CheckpointError when the folder holds another run; RunLockedError when someone trains there
 */
export async function trainRun(order: RunOrder): Promise<EvaluationRecord | undefined> {
  const { run, config, folder, data, size, backend, stop, progress } = order;
  const { classes, annotations, init, initialWeights } = data;
  let skipped = 0;
  const skip = () => {
    skipped++;
  };
  const random = createRandom(config.seed);
  const detector = buildDetector(config.model, { parts, numClasses: classes.length, random });
  const loader = createLoader(data.train, { ...loaderOptions(config), onSkip: skip });
  const hooks = [lockHook(folder), metricsHook(folder), checkpointHook(folder, classes), progressHook(progress)];
  const trainer = createTrainer({ detector, batches: loader, config, random, signal: stop, hooks });
  try {
    const isBegun = (await listCheckpoints(folder)).length > 0;
    await noteData(folder, data, isBegun);
    if (isBegun) {
      await resumeNewest(trainer, folder, classes, ({ message }) => progress.write(`warning: ${message}\n`));
    } else {
      if (init !== null) progress.write(`${await loadInitialWeights(detector, init)}\n`);
      await writeFileAtomic(folder.configFile, `${JSON.stringify(config, null, 2)}\n`);
    }
    await trainer.run();
    const { totalSteps: steps } = trainer;
    if (trainer.position.step < steps) return undefined;
    const measured = await trainer.withAverage(() => evaluate(detector, order, skip));
    const { seed } = config;
    const format = "caddet-ablation/1";
    const record = {
      format,
      run,
      seed,
      steps,
      backend,
      classes,
      annotations,
      initialWeights,
      skipped,
      size,
      ...measured,
    } as const;
    const written: EvaluationRecord = { ...record, classes: [...classes] };
    await writeRecord(folder, written);
    return written;
  } finally {
    trainer.dispose();
    loader.dispose();
    detector.dispose();
  }
}
