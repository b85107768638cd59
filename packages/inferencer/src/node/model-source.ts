// Where a model's bytes come from in Node: a file, bytes, or the newest checkpoint of a run's folder.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, ConfigError } from "@caddet/core";
import type { ModelBytes } from "../create-detector";

/** A model: a run of `caddet train`, or a model file. */
export interface ModelSource {
  /** A run's folder, whose newest checkpoint is taken; the path of a model file does, too. */
  readonly run?: string;
  /** Path or bytes of a .safetensors or .onnx file. */
  readonly file?: string | Uint8Array;
}

const CHECKPOINT = /^step-(\d+)\.safetensors$/;

function cannotRead(path: string, cause: unknown): CheckpointError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const text = `${path} cannot be read: ${reason}. Give a run's folder or a model file.`;
  return new CheckpointError(text, { file: path }, { cause });
}

async function newestCheckpoint(run: string): Promise<string> {
  const folder = join(run, "checkpoints");
  const names = await readdir(folder).catch(() => []);
  const steps = names.flatMap((name) => {
    const step = CHECKPOINT.exec(name)?.[1];
    return step === undefined ? [] : [{ name, step: Number(step) }];
  });
  const [newest] = steps.sort((a, b) => b.step - a.step);
  if (newest) return join(folder, newest.name);
  throw new CheckpointError(
    `${run} has no checkpoint (looked for ${join(folder, "step-*.safetensors")}). Train there first, or give a model file.`,
    { run },
  );
}

/**
 * Reads a model.
 *
 * @throws ConfigError when neither or both of run and file are given; CheckpointError when nothing is there, or it cannot be read
 */
export async function readModel({ run, file }: ModelSource): Promise<ModelBytes> {
  const source = run ?? file;
  if (source === undefined || (run !== undefined && file !== undefined)) {
    throw new ConfigError("A detector is made of either run, a folder, or file, a path or bytes. Give one of them.");
  }
  if (source instanceof Uint8Array) return { bytes: source, name: "the model" };
  try {
    const name = (await stat(source)).isDirectory() ? await newestCheckpoint(source) : source;
    return { bytes: await readFile(name), name };
  } catch (cause) {
    throw cause instanceof CheckpointError ? cause : cannotRead(source, cause);
  }
}
