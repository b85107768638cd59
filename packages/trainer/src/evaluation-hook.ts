// Evaluation while training. How a detector is evaluated is whoever's business who has the data; here is when, and with which weights.
import type { Detector } from "@caddet/detector";
import type { Metrics, TrainHook } from "./hooks";

/** Options of {@link evaluationHook}. */
export interface EvaluationHookOptions {
  /** Gets the averaged weights where the run keeps an average. `epoch` from 0. */
  readonly evaluate: (detector: Detector, epoch: number) => Promise<Metrics>;
  /** Epochs between two evaluations; one is always made at the end. Default 1. */
  readonly everyEpochs?: number;
}

/**
 * A hook that evaluates every so many epochs. Put it before the hook that writes checkpoints, so that the best one is kept.
 *
 * @param options how, and how often
 * @returns the hook
 * @example evaluationHook({ evaluate: async (detector) => ({ AP: (await evaluateDetector({ detector, … })).coco.stats[0]! }) })
 */
export function evaluationHook({ evaluate, everyEpochs = 1 }: EvaluationHookOptions): TrainHook {
  return {
    name: "evaluation",
    onEpoch: async (epoch, trainer) => {
      const isLast = trainer.position.step >= trainer.totalSteps;
      if ((epoch + 1) % everyEpochs !== 0 && !isLast) return;
      await trainer.reportEvaluation(await trainer.withAverage(() => evaluate(trainer.detector, epoch)));
    },
  };
}
