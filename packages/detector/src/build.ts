// From configuration to detector, and between detector and file: one safetensors file holds the weights and, in its metadata, the
// configuration and the class table. Bytes in, bytes out.
import {
  CheckpointError,
  createRandom,
  parseSafetensors,
  type Random,
  readState,
  type StoredArray,
  serializeSafetensors,
} from "@caddet/core";
import { createFcosHead } from "@caddet/heads";
import { createSupernet } from "@caddet/supernet";
import { z } from "zod";
import { type ModelConfig, parseModelConfig, supernetShape } from "./config";
import { composeDetector, type Detector } from "./detector";
import { checkConfig } from "./schema";

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

const FORMAT = "caddet-detector/1";
const MAX_CLASSES = 100_000;

const classesSchema = z
  .array(z.strictObject({ id: z.int(), name: z.string() }))
  .min(1)
  .max(MAX_CLASSES);

/** Names with a slash are others' (an optimiser's state, say); the detector's own have none. */
const isForeign = (name: string) => name.includes("/");

/**
 * Builds a detector with fresh weights.
 *
 * @param config a whole configuration, from `parseModelConfig`
 * @param options number of classes and a seeded generator
 * @returns the detector; dispose it when done
 * @throws ConfigError when parts do not fit
 * @example buildDetector(parseModelConfig({ backbone: { preset: "tiny" } }), { numClasses: 5, random: createRandom(0) })
 */
export function buildDetector(
  config: ModelConfig,
  { numClasses, random }: { readonly numClasses: number; readonly random: Random },
): Detector {
  const { threshold, gateValue } = config.backbone;
  const backbone = createSupernet({ ...supernetShape(config), threshold, gateValue, random });
  const { type: _, channels = backbone.channels, regressRanges, ...head } = config.head;
  const detector = composeDetector({
    backbone,
    head: createFcosHead({
      ...head,
      ...(regressRanges ? { regressRanges } : {}),
      inChannels: backbone.channels,
      channels,
      numClasses,
      strides: backbone.strides,
      random,
    }),
  });
  return detector as Detector;
}

/**
 * Writes a detector as one safetensors file.
 *
 * @param bundle detector, configuration, classes and free metadata
 * @param extra further arrays under names with a slash, e.g. an optimiser's state
 * @returns the file's bytes
 * @example await writeFile("model.safetensors", await serializeDetector(bundle))
 */
export async function serializeDetector(
  { detector, config, classes, metadata }: DetectorBundle,
  extra: ReadonlyMap<string, StoredArray> = new Map(),
): Promise<Uint8Array<ArrayBuffer>> {
  const wrong = [...extra.keys()].find((name) => !isForeign(name));
  if (wrong !== undefined) throw new CheckpointError(`Extra arrays need a name with a slash, got "${wrong}".`);
  const arrays = new Map([...(await readState(detector)), ...extra]);
  return serializeSafetensors(arrays, {
    ...metadata,
    format: FORMAT,
    model: JSON.stringify(config),
    classes: JSON.stringify(classes),
  });
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
 * Reads a detector from a safetensors file.
 *
 * @param bytes the whole file
 * @param file its name, for error texts
 * @returns detector, configuration, classes, metadata, and the further arrays of the file
 * @throws CheckpointError when the file is broken or not a detector's; ConfigError when its configuration is not valid
 * @example const { detector } = deserializeDetector(await readFile("model.safetensors"), "model.safetensors");
 */
export function deserializeDetector(
  bytes: Uint8Array,
  file = "model.safetensors",
): DetectorBundle & { readonly extra: ReadonlyMap<string, StoredArray> } {
  const { arrays, metadata } = parseSafetensors(bytes, file);
  const { format, model, classes: classText, ...rest } = metadata;
  if (format !== FORMAT) {
    throw new CheckpointError(`${file}: expected a file of format ${FORMAT}, got ${format ?? "none"}.`, {
      file,
      format,
    });
  }
  const config = parseModelConfig(parseJson(model, "model", file));
  const classes = checkConfig(classesSchema, parseJson(classText, "classes", file), "class table");
  const detector = buildDetector(config, { numClasses: classes.length, random: createRandom(0) });
  try {
    detector.loadStateDict(new Map([...arrays].filter(([name]) => !isForeign(name))));
  } catch (error) {
    detector.dispose();
    throw error;
  }
  return { detector, config, classes, metadata: rest, extra: new Map([...arrays].filter(([name]) => isForeign(name))) };
}
