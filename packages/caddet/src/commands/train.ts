// `caddet train`: assembles data set, loader, detector, trainer and hooks.
import { stat } from "node:fs/promises";
import { filterForTraining } from "@caddet/coco";
import { createLoader, loadDataset } from "@caddet/coco/node";
import { CheckpointError, createRandom } from "@caddet/core";
import { buildDetector, type ClassEntry } from "@caddet/detector";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { createTrainer, type StepRecord, type TrainHook } from "@caddet/trainer";
import {
  checkpointHook,
  latestCheckpoint,
  listCheckpoints,
  metricsHook,
  progressHook,
  resumeFrom,
  runFolder,
  writeFileAtomic,
} from "@caddet/trainer/node";
import { loadConfig } from "../config-file";
import type { Output } from "../output";
import { parts } from "../parts";

/** Options of the command. */
export interface TrainOptions {
  readonly data: string;
  readonly out: string;
  readonly config?: string;
  readonly set: readonly string[];
  readonly resume: boolean;
  readonly backend: BackendName | "auto";
  readonly json: boolean;
}

// The loss over the first and the last steps, for the summary.
function lossHook(): TrainHook & { summary(): Record<string, unknown> } {
  const totals: number[] = [];
  let last: StepRecord | undefined;
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return {
    name: "loss",
    onStep: (record) => {
      totals.push(record.loss.total!);
      last = record;
    },
    summary: () => ({
      firstLoss: totals.length > 0 ? mean(totals.slice(0, 10)) : null,
      lastLoss: totals.length > 0 ? mean(totals.slice(-10)) : null,
      madds: last?.madds ?? null,
    }),
  };
}

/**
 * Trains, or goes on training.
 *
 * @throws CheckpointError when the folder holds another run and `--resume` is not given
 */
export async function train(options: TrainOptions, output: Output): Promise<void> {
  const folder = runFolder(options.out);
  const config = await loadConfig(options.config, options.set);
  const checkpoints = await listCheckpoints(folder);
  if (checkpoints.length > 0 && !options.resume) {
    throw new CheckpointError(
      `${options.out} holds a run already (newest checkpoint: step ${checkpoints[0]!.step}). Add --resume to go on, or choose another --out.`,
      { run: options.out },
    );
  }
  const resumed = options.resume ? await latestCheckpoint(folder) : undefined;

  const loaded = await loadDataset(options.data, "train");
  const dataset = filterForTraining(loaded);
  const backend = await prepareBackend({ backend: options.backend });
  output.note(`backend ${backend.name} on ${backend.device}\n`);
  const { data } = config;
  const loader = createLoader(dataset, {
    batchSize: data.batchSize,
    size: { shorter: data.shorter, longer: data.longer },
    flip: data.flip,
    padTo: data.padTo,
    normalise: { mean: data.mean, std: data.std },
    groupByAspect: data.groupByAspect,
    prefetch: data.prefetch,
    shuffle: true,
    dropLast: true,
    seed: config.seed,
    onSkip: ({ message }) => output.note(`left out: ${message}\n`),
  });
  const { ids, names } = dataset.categories;
  const classes: ClassEntry[] = names.map((name, i) => ({ id: ids[i]!, name }));
  const detector = buildDetector(config.model, {
    parts,
    numClasses: classes.length,
    random: createRandom(config.seed),
  });
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const losses = lossHook();
  const trainer = createTrainer({
    detector,
    batches: loader,
    config,
    signal: stopping.signal,
    hooks: [losses, metricsHook(folder), checkpointHook(folder, classes), progressHook(process.stderr)],
  });
  try {
    if (resumed) await resumeFrom(trainer, resumed, classes);
    await writeFileAtomic(folder.configFile, `${JSON.stringify(config, null, 2)}\n`);
    const skips = Object.entries(dataset.skipped).map(([reason, n]) => `${n} ${reason}`);
    output.note(
      `${dataset.images.ids.length} images, ${classes.length} classes` +
        `${skips.length > 0 ? `; left out: ${skips.join(", ")}` : ""}; ${trainer.totalSteps} steps\n`,
    );
    await trainer.run();
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    trainer.dispose();
    detector.dispose();
    loader.dispose();
  }
  const checkpoint = await latestCheckpoint(folder);
  const { size } = await stat(checkpoint);
  const { step } = trainer.position;
  if (options.json) {
    const skipped = { annotations: dataset.skipped, files: loader.skipped() };
    output.json({ run: options.out, checkpoint, step, backend: backend.name, ...losses.summary(), skipped });
  } else {
    output.text(`${step} steps done, ${checkpoint} (${(size / 1e6).toFixed(1)} MB)\n`);
  }
}
