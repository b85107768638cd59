// Finds and loads the detector that `--run` means: a run's newest checkpoint, or a model file.
import { readFile, stat } from "node:fs/promises";
import { CheckpointError } from "@caddet/core";
import { type DetectorBundle, deserializeDetector } from "@caddet/detector";
import { parseTrainConfig, type TrainConfig } from "@caddet/trainer";
import { latestCheckpoint, runFolder } from "@caddet/trainer/node";
import { parts } from "./parts";

/** A detector, and how its images were prepared. */
export interface LoadedModel extends DetectorBundle {
  readonly file: string;
  readonly data: TrainConfig["data"];
}

/**
 * Loads a detector.
 *
 * @param run a run's folder or a .safetensors file
 * @returns the detector with its classes and the preparation of its images
 * @throws CheckpointError when nothing is there, or it is broken
 */
export async function loadModel(run: string): Promise<LoadedModel> {
  const found = await stat(run).catch(() => undefined);
  if (!found) throw new CheckpointError(`${run} is not there. --run takes a run's folder or a model file.`, { run });
  const file = found.isDirectory() ? await latestCheckpoint(runFolder(run)) : run;
  const bundle = deserializeDetector(await readFile(file), { parts, file });
  try {
    const { data } = parseTrainConfig(JSON.parse(bundle.metadata.training ?? ""));
    return { ...bundle, file, data };
  } catch (cause) {
    bundle.detector.dispose();
    throw new CheckpointError(
      `${file} does not say how its images were prepared. Use a file that caddet train wrote.`,
      { file },
      { cause },
    );
  }
}
