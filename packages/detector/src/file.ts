// Between detector and file: one safetensors file holds the weights and, in its metadata, the configuration and the class table. Bytes
// in, bytes out; nothing of a file is built before its size says that it can be true.
import {
  CheckpointError,
  createRandom,
  parseSafetensors,
  readState,
  type StoredArray,
  serializeSafetensors,
} from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";
import { buildWithin } from "./build";
import { type ModelConfig, type ModelConfigInput, type ModelParts, parseModelConfig } from "./config";
import type { Detector } from "./detector";
import { NO_HASH, sealFile } from "./file-hash";

/** One class: its id in the data set, and its name. */
export interface ClassEntry {
  readonly id: number;
  readonly name: string;
}

/** A detector with what is needed to use it. */
export interface DetectorBundle {
  readonly detector: Detector;
  readonly config: ModelConfig;
  /** By class index. */
  readonly classes: readonly ClassEntry[];
  /** The file's other metadata: how images were resized and normalised, how it was trained. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What is written of a detector. Its configuration is saved as given: a whole one does not depend on defaults that may change. */
export interface DetectorToSave extends Omit<DetectorBundle, "config"> {
  readonly config: ModelConfigInput;
}

/** What is in a detector's file. */
export interface DetectorFile extends Pick<DetectorBundle, "classes" | "metadata"> {
  /** The detector's weights, by name. */
  readonly arrays: ReadonlyMap<string, StoredArray>;
  /** The configuration as it was saved; `parseModelConfig` checks it. */
  readonly model: unknown;
  /** The file's further arrays, under names with a slash: an optimiser's state, say. */
  readonly extra: ReadonlyMap<string, StoredArray>;
}

const FORMAT = "caddet-detector/2";
/** As the above, without a hash. */
const OLD_FORMAT = "caddet-detector/1";
const MAX_CLASSES = 100_000;

const classesSchema = z
  .array(z.strictObject({ id: z.int(), name: z.string() }))
  .min(1)
  .max(MAX_CLASSES);

/** Names with a slash are others'; the detector's own have none. */
const isForeign = (name: string) => name.includes("/");

/**
 * Writes a detector as one safetensors file.
 *
 * @param bundle detector, configuration, classes and free metadata
 * @param extra further arrays under names with a slash, e.g. an optimiser's state
 * @returns the file's bytes
 * @throws CheckpointError when a further array's name has no slash
 * @example await writeFile("model.safetensors", await serializeDetector(bundle))
 */
export async function serializeDetector(
  { detector, config, classes, metadata }: DetectorToSave,
  extra: ReadonlyMap<string, StoredArray> = new Map(),
): Promise<Uint8Array<ArrayBuffer>> {
  const wrong = [...extra.keys()].find((name) => !isForeign(name));
  if (wrong !== undefined) throw new CheckpointError(`Extra arrays need a name with a slash, got "${wrong}".`);
  const arrays = new Map([...(await readState(detector)), ...extra]);
  const bytes = serializeSafetensors(arrays, {
    ...metadata,
    format: FORMAT,
    sha256: NO_HASH,
    model: JSON.stringify(config),
    classes: JSON.stringify(classes),
  });
  return sealFile(bytes);
}

function parseJson(text: string | undefined, what: string, file: string): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch (cause) {
    throw new CheckpointError(
      `${file}: its metadata has no readable "${what}". It was not written by caddet.`,
      { file },
      { cause },
    );
  }
}

/**
 * Takes a detector's file apart; nothing is built, and no part needs to be known. Its hash is `verifyDetectorFile`'s business.
 *
 * @param bytes the whole file
 * @param file its name, for error texts; default "model.safetensors"
 * @returns weights, the configuration as it was saved, classes, metadata, and the file's further arrays
 * @throws CheckpointError when the file is broken or not a detector's; ConfigError when its class table is not valid
 * @example const { arrays } = readDetectorFile(await readFile("model.safetensors")); detector.loadStateDict(arrays);
 */
export function readDetectorFile(bytes: Uint8Array, file = "model.safetensors"): DetectorFile {
  const { arrays, metadata: all } = parseSafetensors(bytes, file);
  const { format, sha256: _, model, classes, ...metadata } = all;
  if (format !== FORMAT && format !== OLD_FORMAT) {
    throw new CheckpointError(`${file}: expected a file of format ${FORMAT}, got ${format ?? "none"}.`, {
      file,
      format,
    });
  }
  return {
    arrays: new Map([...arrays].filter(([name]) => !isForeign(name))),
    model: parseJson(model, "model", file),
    classes: checkConfig(classesSchema, parseJson(classes, "classes", file), "class table"),
    metadata,
    extra: new Map([...arrays].filter(([name]) => isForeign(name))),
  };
}

/** What {@link deserializeDetector} gives. */
export type DeserializedDetector = DetectorBundle & Pick<DetectorFile, "arrays" | "extra">;

/** Options of {@link deserializeDetector}. */
export interface DeserializeOptions {
  /** The parts that the file's configuration can name. */
  readonly parts: ModelParts;
  /** The file's name, for error texts. Default "model.safetensors". */
  readonly file?: string;
}

/**
 * Reads a detector from a safetensors file.
 *
 * @param bytes the whole file
 * @param options the parts that it can name, and its name
 * @returns detector, configuration, classes, metadata, the weights as they were read, and the further arrays of the file
 * @throws CheckpointError when the file is broken or not a detector's; ConfigError when its configuration is not valid
 * @example const { detector } = deserializeDetector(await readFile("model.safetensors"), { parts });
 */
export function deserializeDetector(
  bytes: Uint8Array,
  { parts, file = "model.safetensors" }: DeserializeOptions,
): DeserializedDetector {
  const { arrays, model, classes, metadata, extra } = readDetectorFile(bytes, file);
  const config = parseModelConfig(model, parts);
  const stored = [...arrays.values()].reduce((n, { data }) => n + data.length, 0);
  // A few bytes of configuration can ask for any amount of memory. The weights that they ask for must be in the file, so the file's
  // own size bounds what is built.
  const allow = (needed: number) => {
    if (needed <= stored) return;
    throw new CheckpointError(
      `${file}: its configuration and class table ask for at least ${needed} weights, the file has ${stored}. They do not belong together.`,
      { file, needed, stored },
    );
  };
  const detector = buildWithin(config, { parts, numClasses: classes.length, random: createRandom(0) }, allow);
  try {
    detector.loadStateDict(arrays);
  } catch (error) {
    detector.dispose();
    throw error;
  }
  return { detector, config, classes, metadata, arrays, extra };
}
