// Keeps a run's report.html fresh while it trains: losses, costs, routes, evaluations made on the way. It evaluates nothing itself, and
// a report that cannot be written is no reason to end a run.
import { join } from "node:path";
import { CaddetError } from "@caddet/core";
import type { ClassEntry } from "@caddet/detector";
import { Supernet } from "@caddet/supernet";
import type { Trainer, TrainHook } from "@caddet/trainer";
import { type RunFolder, writeFileAtomic } from "@caddet/trainer/node";
import { seenRoutesSection } from "./route-sections";
import { type LiveState, runReport } from "./run-report";
import { createRouteSums, type RouteSums } from "./seen-routes";
import { createTrainingLog, readTrainingLog, type TrainingLog } from "./training-log";

/** Options of {@link reportHook}. */
export interface ReportHookOptions {
  /** By class index, for the page. Default none. */
  readonly classes?: readonly ClassEntry[];
  /** Seconds between two reports within an epoch; the end of an epoch always gives one. Default 60. */
  readonly everySeconds?: number;
  /** Gets a sentence when the report cannot be written. Default nobody. */
  readonly warn?: (text: string) => void;
}

function routesOf({ detector: { backbone } }: Trainer, sums: RouteSums | undefined): Pick<LiveState, "routes"> {
  const seen = sums?.means();
  if (!seen || !backbone.routing || !(backbone instanceof Supernet)) return {};
  return { routes: seenRoutesSection({ space: backbone.space, threshold: backbone.routing.threshold }, seen) };
}

/**
 * A hook that writes `RUN/report.html`, whole or not at all: at the start, every so many seconds, after each epoch and at the end. While the run trains,
 * browsers load the page anew by themselves. Put it behind `metricsHook`, whose files it goes on from when a run is resumed.
 *
 * @param folder the run's folder
 * @param options classes, how often, who is told of failures
 * @returns the hook, for one run at a time
 * @example createTrainer({ …, hooks: [metricsHook(folder), checkpointHook(folder, classes), reportHook(folder, { classes })] })
 */
export function reportHook(
  folder: RunFolder,
  { classes = [], everySeconds = 60, warn = () => {} }: ReportHookOptions = {},
): TrainHook {
  const file = join(folder.path, "report.html");
  let log: TrainingLog = createTrainingLog();
  let sums: RouteSums | undefined; // of the epoch that runs
  let shown: RouteSums | undefined; // of the last whole one
  let written = 0;

  const orWarn = async (what: () => Promise<void>) => {
    try {
      await what();
    } catch (error) {
      if (!(error instanceof CaddetError)) throw error;
      warn(`The report is left out: ${error.message}`);
    }
  };
  const write = (trainer: Trainer, state: string, isOver = false) =>
    orWarn(async () => {
      const at = `${state} ${trainer.position.step} of ${trainer.totalSteps}, ${new Date().toISOString().slice(0, 19)}Z`;
      const live: LiveState = {
        state: at,
        ...(isOver ? {} : { refreshSeconds: Math.max(10, Math.round(everySeconds)) }),
        ...routesOf(trainer, shown ?? sums),
      };
      const html = await runReport({ run: folder.path, config: trainer.config, log, classes, live, remarks: [] });
      await writeFileAtomic(file, html);
      written = performance.now();
    });
  const freshSums = ({ detector: { backbone } }: Trainer) =>
    backbone.routing ? createRouteSums(backbone.routing) : undefined;
  const reread = () =>
    orWarn(async () => {
      log = await readTrainingLog(folder);
    });

  return {
    name: "report",
    onStart: async (trainer) => {
      await reread();
      sums = freshSums(trainer);
      shown = undefined;
      await write(trainer, "training, step");
    },
    onGates: (gates) => sums?.add(gates),
    onStep: async (record, trainer) => {
      log.addStep(record);
      if (performance.now() - written >= everySeconds * 1000) await write(trainer, "training, step");
    },
    onNonFinite: async (event) => {
      // A run that was put back makes steps again: what metricsHook has kept is what counts.
      if (event.action === "restore") await reread();
      else log.addEvent({ event: "non-finite", ...event });
    },
    onEvaluation: (metrics, { position }) => log.addEvent({ event: "evaluation", step: position.step, metrics }),
    onEpoch: async (_, trainer) => {
      shown = sums;
      sums = freshSums(trainer);
      await write(trainer, "training, step");
    },
    onEnd: async (trainer) => {
      const isDone = trainer.position.step >= trainer.totalSteps;
      await write(trainer, isDone ? "finished, step" : "stopped, step", true);
    },
    onError: async (error, trainer) => {
      const reason = error instanceof Error ? error.message : String(error);
      await write(trainer, `ended by an error (${reason}) after step`, true);
    },
  };
}
