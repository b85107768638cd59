// When checkpoints are written: every so many steps and epochs, after the best evaluation, at the end; and going back to the last one.
import type { ClassEntry } from "@caddet/detector";
import { resumeFrom, saveCheckpoint } from "./checkpoint";
import type { TrainHook } from "./hooks";
import { type RunFolder, RunWriteError, removeLeftovers } from "./run-folder";
import type { Trainer } from "./trainer";

/**
 * A hook that writes checkpoints as `config.checkpoint` says, and at the end. Under `onNonFinite: "restore"` it writes one at the start and
 * brings the last one back.
 *
 * @param folder the run's folder
 * @param classes the class table
 * @returns the hook; it throws RunWriteError when one cannot be written, and names the last that was
 */
export function checkpointHook(folder: RunFolder, classes: readonly ClassEntry[]): TrainHook {
  let last: { readonly of: string; readonly file: string } | undefined;
  const save = async (trainer: Trainer) => {
    // An evaluation may have come since, or the next epoch.
    const of = JSON.stringify([trainer.position, trainer.state]);
    if (last?.of === of) return;
    try {
      last = { of, file: await saveCheckpoint(trainer, folder, classes) };
    } catch (error) {
      if (!(error instanceof RunWriteError) || !last) throw error;
      throw new RunWriteError(String(error.details.file), error.cause, `. ${last.file} is whole: resume from it`);
    }
  };
  return {
    name: "checkpoint",
    onStart: async (trainer) => {
      await removeLeftovers(folder);
      if (trainer.config.onNonFinite === "restore") await save(trainer);
    },
    onStep: async ({ step }, trainer) => {
      const { everySteps } = trainer.config.checkpoint;
      // The last step's is written when the moments are settled.
      if (everySteps !== null && step % everySteps === 0 && step < trainer.totalSteps) await save(trainer);
    },
    onEpoch: async (epoch, trainer) => {
      const { config, state, position } = trainer;
      const isBest = state.best?.step === position.step;
      if (isBest || (epoch + 1) % config.checkpoint.everyEpochs === 0) await save(trainer);
    },
    onRestore: async (trainer) => {
      if (!last) return false;
      await resumeFrom(trainer, last.file, classes);
      return true;
    },
    onEnd: save,
  };
}
