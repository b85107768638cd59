// A run's numbers, gates and pictures for TensorBoard: event files in the run's folder, appended as the run goes.
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "@caddet/core";
import type { StepRecord, TrainHook } from "../hooks";
import type { RunFolder } from "../run-folder";
import type { Trainer } from "../trainer";
import { type Summary, startEvent, summaryEvent, type TaggedImage, versionEvent } from "./event";
import { frameRecord } from "./record-file";

/** Options of {@link tensorboardHook}. */
export interface TensorboardOptions {
  /** Numbers are written every so many steps. Default 1. */
  readonly everySteps?: number;
  /** A histogram of the gates is written every so many steps. Default 50. */
  readonly gatesEverySteps?: number;
  /** Pictures to write at the end of an epoch, such as routes and detections. Default none. */
  readonly images?: (trainer: Trainer, epoch: number) => Promise<readonly TaggedImage[]>;
}

const seconds = () => Date.now() / 1000;

function scalarsOf({ loss, madds, openPaths, ...record }: StepRecord): Record<string, number> {
  const losses = Object.entries(loss).map(([name, value]) => [`loss/${name}`, value] as const);
  return {
    ...Object.fromEntries(losses),
    "train/learning_rate": record.learningRate,
    "train/gradient_norm": record.gradientNorm,
    "speed/images_per_second": record.imagesPerSecond,
    "speed/data_share": record.dataShare,
    ...(madds ? { "madds/mean": madds.mean, "madds/min": madds.min, "madds/max": madds.max } : {}),
    ...(openPaths === undefined ? {} : { "routes/open_paths": openPaths }),
  };
}

/**
 * A hook that writes TensorBoard event files to `RUN/tensorboard`. A resumed run starts another file, which makes TensorBoard drop what
 * was written behind the checkpoint.
 *
 * @param folder the run's folder
 * @param options how often, and which pictures
 * @returns the hook; it throws CheckpointError when the file cannot be written
 * @example createTrainer({ …, hooks: [tensorboardHook(runFolder("runs/first"))] }) // tensorboard --logdir runs
 */
export function tensorboardHook(
  folder: RunFolder,
  { everySteps = 1, gatesEverySteps = 50, images }: TensorboardOptions = {},
): TrainHook {
  let file: string | undefined;
  const append = async (event: Uint8Array) => {
    try {
      await appendFile(file!, frameRecord(event));
    } catch (cause) {
      throw new CheckpointError(`${file} could not be written: ${(cause as Error).message}`, { file }, { cause });
    }
  };
  const write = (step: number, summary: Summary) => append(summaryEvent(seconds(), step, summary));
  return {
    name: "tensorboard",
    onStart: async ({ position }) => {
      const path = join(folder.path, "tensorboard");
      await mkdir(path, { recursive: true });
      // TensorBoard reads the files of a folder in the order of their names.
      file = join(path, `events.out.tfevents.${Date.now()}.caddet.${process.pid}`);
      await append(versionEvent(seconds()));
      await append(startEvent(seconds(), position.step + 1));
    },
    onGates: async (gates, _, { position }) => {
      if (position.step % gatesEverySteps === 0) await write(position.step, { histograms: { "routes/gates": gates } });
    },
    onStep: async (record) => {
      if (record.step % everySteps === 0) await write(record.step, { scalars: scalarsOf(record) });
    },
    onEvaluation: async (metrics, { position }) => {
      const named = Object.entries(metrics).map(([name, value]) => [`evaluation/${name}`, value] as const);
      await write(position.step, { scalars: Object.fromEntries(named) });
    },
    onEpoch: async (epoch, trainer) => {
      const drawn = (await images?.(trainer, epoch)) ?? [];
      if (drawn.length > 0) await write(trainer.position.step, { images: drawn });
    },
  };
}
