// Loads the weights that `--run` means as a detector. Detecting needs no more than the file: see run-file.ts.
import { CheckpointError } from "@caddet/core";
import { type DetectorBundle, deserializeDetector, verifyDetectorFile } from "@caddet/detector";
import { parseTrainConfig, type TrainConfig } from "@caddet/trainer";
import { parts } from "./parts";
import { readRunFile } from "./run-file";

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
 * @throws CheckpointError when nothing is there, or it is broken or changed
 */
export async function loadModel(run: string): Promise<LoadedModel> {
  const { file, bytes, format } = await readRunFile(run);
  if (format === "onnx") {
    throw new CheckpointError(
      `${file} is an ONNX file, from which weights cannot be taken. Give the run's folder, or its .safetensors file.`,
      { file },
    );
  }
  // What is wrong with the format is told before what is wrong with the hash.
  const bundle = deserializeDetector(bytes, { parts, file });
  try {
    await verifyDetectorFile(bytes, file);
  } catch (error) {
    bundle.detector.dispose();
    throw error;
  }
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
