// Finds and reads the file that `--run` means: a run's newest checkpoint, or a model file, .safetensors or .onnx. What is in it is
// others' business.
import { readFile, stat } from "node:fs/promises";
import { CheckpointError } from "@caddet/core";
import { latestCheckpoint, runFolder } from "@caddet/trainer/node";
import { verifyBundledModel } from "./bundled-model";

/** A model's file. */
export interface RunFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** By its content, not by its name; what is neither counts as safetensors, whose reader says what is wrong with it. */
  readonly format: "safetensors" | "onnx";
}

// An ONNX file begins with the field "IR version"; a safetensors file has the brace of its header in the ninth byte.
function formatOf(bytes: Uint8Array): RunFile["format"] {
  return bytes[0] === 8 && bytes[8] !== 0x7b ? "onnx" : "safetensors";
}

/**
 * Reads a model's file.
 *
 * @param run a run's folder, or a model file
 * @returns its path and bytes
 * @throws CheckpointError when nothing is there, the folder has no checkpoint, or the model that comes along is not what was published
 */
export async function readRunFile(run: string): Promise<RunFile> {
  const found = await stat(run).catch(() => undefined);
  if (!found) throw new CheckpointError(`${run} is not there. --run takes a run's folder or a model file.`, { run });
  const file = found.isDirectory() ? await latestCheckpoint(runFolder(run)) : run;
  const bytes = await readFile(file);
  verifyBundledModel(file, bytes);
  return { file, bytes, format: formatOf(bytes) };
}
