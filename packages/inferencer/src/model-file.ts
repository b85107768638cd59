// What a model file is, told by its bytes, and how the images of its training were prepared, told by its metadata.
import { CheckpointError, type Normalisation, type TargetSize } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";

/** Formats of model files. */
export type ModelKind = "safetensors" | "onnx";

/** How images were prepared, as far as a file says. */
export interface StoredPreparation {
  readonly size: TargetSize;
  readonly padTo: number;
  readonly normalise: Normalisation;
}

/**
 * Tells a model's format by its first bytes.
 *
 * @throws CheckpointError when it is neither
 */
export function modelKind(bytes: Uint8Array, file: string): ModelKind {
  // safetensors: eight bytes of length, then a JSON object. ONNX: the protobuf field 1, a small integer.
  if (bytes[8] === 0x7b) return "safetensors";
  if (bytes[0] === 0x08 && bytes.length > 2) return "onnx";
  throw new CheckpointError(
    `${file} is neither a safetensors nor an ONNX file (${bytes.length} bytes). Give what caddet train or caddet export wrote.`,
    { file },
  );
}

const three = z.tuple([z.number(), z.number(), z.number()]);
const dataSchema = z.looseObject({
  shorter: z.number(),
  longer: z.number(),
  padTo: z.int().min(1),
  mean: three,
  std: three,
});
const trainingSchema = z.looseObject({ data: dataSchema });

function parseJson(text: string, key: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${file}: its metadata "${key}" is not JSON. Get the file again.`, { file }, { cause });
  }
}

/**
 * Reads how images were prepared: `preparation` of an exported model, or `training` of a checkpoint.
 *
 * @returns undefined where the file does not say
 * @throws CheckpointError or ConfigError when what it says cannot be read
 */
export function storedPreparation(
  metadata: Readonly<Record<string, string>>,
  file: string,
): StoredPreparation | undefined {
  const { preparation, training } = metadata;
  if (preparation === undefined && training === undefined) return undefined;
  const { shorter, longer, padTo, mean, std } =
    preparation === undefined
      ? checkConfig(trainingSchema, parseJson(training!, "training", file), `${file}'s training`).data
      : checkConfig(dataSchema, parseJson(preparation, "preparation", file), `${file}'s preparation`);
  return { size: { shorter, longer }, padTo, normalise: { mean, std } };
}
