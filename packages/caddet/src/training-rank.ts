// One rank of a training, alone or of several: puts data set, loader, detector, trainer and hooks together and trains. Rank 0 speaks and writes.
// The folder's lock, signals and what is said at the end are the command's.
import { createLoader } from "@caddet/coco/node";
import { type Collective, createRandom, type Module } from "@caddet/core";
import { buildDetector, type ClassEntry } from "@caddet/detector";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { createTrainer } from "@caddet/trainer";
import { loaderOptions, loadInitialWeights, resumeNewest, runFolder, writeFileAtomic } from "@caddet/trainer/node";
import type { RunConfig } from "./config-file";
import { type LossSummary, lossHook } from "./loss-hook";
import type { Output } from "./output";
import { parts } from "./parts";
import { skipText } from "./skip-text";
import { trainingHooks } from "./training-hooks";
import { openTrainingSet } from "./training-set";

/** What is to be trained, the same for all ranks. It can be sent to a thread. */
export interface TrainingOrder {
  /** COCO-format folder. */
  readonly data: string;
  /** The run's folder. */
  readonly out: string;
  readonly config: RunConfig;
  /** Weights to start from. */
  readonly init?: string | undefined;
  /** Epochs between two evaluations of the split `val`. */
  readonly evaluateEvery?: number | undefined;
  readonly resume: boolean;
  readonly backend: BackendName | "auto";
}

/** A rank's place in the run. */
export interface RankPlace {
  readonly collective: Collective;
  /** Asks to end after the current step. */
  readonly stop: { readonly aborted: boolean };
  /** Has batch normalisations take the batches of all ranks together. */
  readonly syncNorms?: (detector: Module) => void;
}

/** What a rank says in the end. */
export interface RankSummary extends LossSummary {
  readonly step: number;
  readonly totalSteps: number;
  readonly backend: BackendName;
  /** Annotations that were left out, by reason. */
  readonly annotations: Readonly<Record<string, number | undefined>>;
  /** Images that this rank could not read, by id, with the reason. */
  readonly files: ReadonlyMap<number, string>;
}

/**
 * Trains to the end, or until it is asked to stop, then with a checkpoint.
 *
 * @param order what to train
 * @param output where rank 0's words go; other ranks only tell of images that they cannot read
 * @param place which rank this is
 * @returns what came of it; no tensor is left
 */
export async function trainRank(order: TrainingOrder, output: Output, place: RankPlace): Promise<RankSummary> {
  const { data, config, init, evaluateEvery, resume } = order;
  const { collective, stop, syncNorms } = place;
  const isFirst = collective.rank === 0;
  const note = isFirst ? output.note : () => {};
  const warn = (text: string) => note(`\nwarning: ${text}\n`);
  const folder = runFolder(order.out);
  const dataset = await openTrainingSet(data, isFirst ? note : undefined);
  const backend = await prepareBackend({ backend: order.backend });
  note(`backend ${backend.name} on ${backend.device}\n`);
  const { ids, names } = dataset.categories;
  const classes: ClassEntry[] = names.map((name, i) => ({ id: ids[i]!, name }));
  const losses = lossHook();
  const files = new Map<number, string>();
  const frees: (() => unknown)[] = [];
  try {
    const loader = createLoader(dataset, {
      ...loaderOptions(config, collective),
      onSkip: ({ imageId, reason, message }) => {
        files.set(imageId, reason);
        output.note(`left out: ${message}\n`);
      },
    });
    frees.push(() => loader.dispose());
    const random = createRandom(config.seed);
    const detector = buildDetector(config.model, { parts, numClasses: classes.length, random });
    frees.push(() => detector.dispose());
    if (config.batchNorm.mode === "synced") syncNorms?.(detector);
    if (init !== undefined) note(`${await loadInitialWeights(detector, init)}\n`);
    const hooks = isFirst
      ? [losses, ...(await trainingHooks({ data, dataset, folder, config, classes, evaluateEvery, output, warn }))]
      : [];
    const trainer = createTrainer({ detector, batches: loader, config, random, collective, signal: stop, hooks });
    frees.push(() => trainer.dispose());
    if (resume) {
      const tellBroken = ({ message }: Error) => warn(`${message}; going on from an older checkpoint`);
      await resumeNewest(trainer, folder, classes, tellBroken);
    }
    if (isFirst) await writeFileAtomic(folder.configFile, `${JSON.stringify(config, null, 2)}\n`);
    const { totalSteps } = trainer;
    const leftOut = skipText(dataset.skipped);
    const together = collective.size > 1 ? `; ${collective.size} replicas of ${config.data.batchSize} images` : "";
    note(
      `${dataset.images.ids.length} images, ${classes.length} classes${leftOut && `; left out: ${leftOut}`}${together}; ` +
        `${totalSteps} steps\n`,
    );
    await trainer.run();
    const { step } = trainer.position;
    return { ...losses.summary(), step, totalSteps, backend: backend.name, annotations: dataset.skipped, files };
  } finally {
    for (const free of frees.reverse()) await free();
  }
}
