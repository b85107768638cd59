// `caddet train`: assembles data set, loader, detector, trainer and hooks.
import { stat } from "node:fs/promises";
import { filterForTraining } from "@caddet/coco";
import { createLoader, type ImageDataset, loadDataset } from "@caddet/coco/node";
import { CheckpointError, ConfigError, createRandom } from "@caddet/core";
import { buildDetector, type ClassEntry } from "@caddet/detector";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { createTrainer, type StepRecord, type TrainHook } from "@caddet/trainer";
import {
  checkpointHook,
  latestCheckpoint,
  listCheckpoints,
  loaderOptions,
  lockRunFolder,
  metricsHook,
  progressHook,
  resumeNewest,
  runFolder,
  tensorboardHook,
  writeFileAtomic,
} from "@caddet/trainer/node";
import { loadConfig } from "../config-file";
import { gateHealthHook } from "../gate-health-hook";
import { loadInitialWeights } from "../initial-weights";
import type { Output } from "../output";
import { parts } from "../parts";
import { skipText } from "../skip-text";
import { watchSignals } from "../stop-signal";
import { validationHook } from "../validation-hook";

/** Options of the command. */
export interface TrainOptions {
  readonly data: string;
  readonly out: string;
  readonly config?: string;
  readonly set: readonly string[];
  /** Weights to start from. */
  readonly init?: string;
  /** Epochs between two evaluations of the split `val`. */
  readonly evaluateEvery?: number;
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

// A single bad entry is no reason not to train, but none is passed over in silence. COCO's own train2017 has boxes without height.
async function openTrainingSet(folder: string, output: Output): Promise<ImageDataset> {
  const dataset = await loadDataset(folder, "train", { onBadEntry: "skip" });
  if (Object.keys(dataset.skipped).length > 0) {
    // Counts say how many and why; only the strict reading says where the first one is.
    await loadDataset(folder, "train").catch((first: Error) => output.note(`left out: ${first.message}\n`));
  }
  return filterForTraining(dataset);
}

async function checkFolder({ out, resume, init }: TrainOptions): Promise<void> {
  if (resume && init !== undefined) {
    throw new ConfigError("--resume goes on with the run's own weights; leave --init out.");
  }
  const folder = runFolder(out);
  if (resume) await latestCheckpoint(folder);
  const [newest] = resume ? [] : await listCheckpoints(folder);
  if (!newest) return;
  throw new CheckpointError(
    `${out} holds a run already (newest checkpoint: step ${newest.step}). Add --resume to go on, or choose another --out.`,
    { run: out },
  );
}

/**
 * Trains, or goes on training. SIGINT and SIGTERM end it after the current step, with a checkpoint.
 *
 * @returns the exit code: 0, or 130 or 143 after a signal
 * @throws CheckpointError when the folder holds another run and `--resume` is not given
 */
export async function train(options: TrainOptions, output: Output): Promise<number> {
  const folder = runFolder(options.out);
  await checkFolder(options);
  const config = await loadConfig(options.config ?? (options.resume ? folder.configFile : undefined), options.set);
  const dataset = await openTrainingSet(options.data, output);
  const backend = await prepareBackend({ backend: options.backend });
  output.note(`backend ${backend.name} on ${backend.device}\n`);
  const { ids, names } = dataset.categories;
  const classes: ClassEntry[] = names.map((name, i) => ({ id: ids[i]!, name }));
  const losses = lossHook();
  const frees: (() => unknown)[] = [];
  try {
    const loader = createLoader(dataset, {
      ...loaderOptions(config),
      onSkip: ({ message }) => output.note(`left out: ${message}\n`),
    });
    frees.push(() => loader.dispose());
    const random = createRandom(config.seed);
    const detector = buildDetector(config.model, { parts, numClasses: classes.length, random });
    frees.push(() => detector.dispose());
    if (options.init !== undefined) output.note(`${await loadInitialWeights(detector, options.init)}\n`);
    const watch = watchSignals(() => output.note("\nstopping after this step; a second signal ends at once\n"));
    frees.push(() => watch.dispose());
    const warn = (text: string) => output.note(`\nwarning: ${text}\n`);
    const gateHealth = gateHealthHook(warn);
    const nonFinite: TrainHook = {
      name: "non-finite",
      onNonFinite: ({ message, action }) =>
        warn(`${message} ${action === "skip" ? "The batch is left out." : "Back to the last checkpoint."}`),
    };
    const everyEpochs = options.evaluateEvery;
    const note = (text: string) => output.note(`\n${text}`);
    const validation =
      everyEpochs === undefined
        ? []
        : [await validationHook({ data: options.data, split: "val", everyEpochs, classes, config, note })];
    const trainer = createTrainer({
      detector,
      batches: loader,
      config,
      random,
      signal: watch.signal,
      hooks: [
        losses,
        gateHealth,
        nonFinite,
        metricsHook(folder),
        tensorboardHook(folder),
        ...validation,
        checkpointHook(folder, classes),
        progressHook(output.progress),
      ],
    });
    frees.push(() => trainer.dispose());
    const lock = await lockRunFolder(folder);
    frees.push(() => lock.release());
    if (options.resume) {
      const tellBroken = ({ message }: Error) => warn(`${message}; going on from an older checkpoint`);
      await resumeNewest(trainer, folder, classes, tellBroken);
    }
    await writeFileAtomic(folder.configFile, `${JSON.stringify(config, null, 2)}\n`);
    const leftOut = skipText(dataset.skipped);
    output.note(
      `${dataset.images.ids.length} images, ${classes.length} classes${leftOut && `; left out: ${leftOut}`}; ` +
        `${trainer.totalSteps} steps\n`,
    );
    await trainer.run();

    const checkpoint = await latestCheckpoint(folder);
    const { step } = trainer.position;
    const finished = step >= trainer.totalSteps;
    if (options.json) {
      const skipped = { annotations: dataset.skipped, files: loader.skipped() };
      const summary = losses.summary();
      output.json({ run: options.out, checkpoint, step, finished, backend: backend.name, ...summary, skipped });
    } else {
      const { size } = await stat(checkpoint);
      output.text(`${step} steps done, ${checkpoint} (${(size / 1e6).toFixed(1)} MB)\n`);
    }
    if (finished) return 0;
    output.note(`stopped at step ${step} of ${trainer.totalSteps}. Call the same command with --resume to go on.\n`);
    return watch.exitCode();
  } finally {
    for (const free of frees.reverse()) await free();
  }
}
