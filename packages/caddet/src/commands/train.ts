// `caddet train`: whether the folder may be trained in, the lock on it, signals, and what is said at the end. The training itself is
// training-rank.ts', once in this thread or in several others.
import { stat } from "node:fs/promises";
import { CheckpointError, ConfigError, singleProcess } from "@caddet/core";
import { latestCheckpoint, listCheckpoints, lockRunFolder, runFolder } from "@caddet/trainer/node";
import { loadConfig } from "../config-file";
import type { Output } from "../output";
import { trainReplicas } from "../replicated-training";
import { watchSignals } from "../stop-signal";
import { type RankSummary, type TrainingOrder, trainRank } from "../training-rank";

/** Options of the command. */
export interface TrainOptions extends Omit<TrainingOrder, "config"> {
  readonly config?: string;
  readonly set: readonly string[];
  /** How many threads train together. */
  readonly replicas: number;
  readonly json: boolean;
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

// Ranks may have met the same image, in different epochs.
function countFiles(ranks: readonly RankSummary[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const reason of new Map(ranks.flatMap(({ files }) => [...files])).values()) {
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}

async function tell(ranks: readonly RankSummary[], { out, json }: TrainOptions, output: Output): Promise<void> {
  const { step, totalSteps, backend, firstLoss, lastLoss, madds, annotations } = ranks[0]!;
  const checkpoint = await latestCheckpoint(runFolder(out));
  const finished = step >= totalSteps;
  if (json) {
    const skipped = { annotations, files: countFiles(ranks) };
    output.json({ run: out, checkpoint, step, finished, backend, firstLoss, lastLoss, madds, skipped });
  } else {
    const { size } = await stat(checkpoint);
    output.text(`${step} steps done, ${checkpoint} (${(size / 1e6).toFixed(1)} MB)\n`);
  }
  if (!finished) {
    output.note(`stopped at step ${step} of ${totalSteps}. Call the same command with --resume to go on.\n`);
  }
}

/**
 * Trains, or goes on training. SIGINT and SIGTERM end it after the current step, with a checkpoint.
 *
 * @param worker what threads run, default the built file
 * @returns the exit code: 0, or 130 or 143 after a signal
 * @throws CheckpointError when the folder holds another run and `--resume` is not given
 */
export async function train(options: TrainOptions, output: Output, worker?: URL): Promise<number> {
  const { data, out, init, evaluateEvery, resume, backend, replicas } = options;
  const folder = runFolder(out);
  await checkFolder(options);
  const config = await loadConfig(options.config ?? (resume ? folder.configFile : undefined), options.set);
  const order: TrainingOrder = { data, out, config, init, evaluateEvery, resume, backend };
  const lock = await lockRunFolder(folder);
  const watch = watchSignals(() => output.note("\nstopping after this step; a second signal ends at once\n"));
  try {
    const stop = watch.signal;
    const { progress } = output;
    const ranks =
      replicas > 1
        ? await trainReplicas(order, { replicas, stop, progress, ...(worker ? { worker } : {}) })
        : [await trainRank(order, output, { collective: singleProcess(), stop })];
    await tell(ranks, options, output);
    const { step, totalSteps } = ranks[0]!;
    return step >= totalSteps ? 0 : watch.exitCode();
  } finally {
    watch.dispose();
    await lock.release();
  }
}
