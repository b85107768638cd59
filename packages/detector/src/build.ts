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
import { createRoutingSpace, createSupernet, supernetCost } from "@caddet/supernet";
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
 * @example buildDetector(parseModelConfig({ backbone: { preset: "small" } }), { numClasses: 5, random: createRandom(0) })
 */
export function buildDetector(
  config: ModelConfig,
  { numClasses, random }: { readonly numClasses: number; readonly random: Random },
): Detector {
  const { threshold, gateValue } = config.backbone;
  const backbone = createSupernet({ ...supernetShape(config), threshold, gateValue, random });
  const { type: _, channels = backbone.channels, regressRanges, ...options } = config.head;
  try {
    const head = createFcosHead({
      ...options,
      ...(regressRanges ? { regressRanges } : {}),
      inChannels: backbone.channels,
      channels,
      numClasses,
      strides: backbone.strides,
      random,
    });
    return composeDetector({ backbone, head }) as Detector;
  } catch (error) {
    backbone.dispose();
    throw error;
  }
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

// A few bytes of configuration can ask for any amount of memory. Every weight that they ask for must be in the file, so the file's own
// size bounds what is built. At 8 × 8 pixels each map has one cell: a convolution's MAdds are its weights.
function requireWeights(
  config: ModelConfig,
  numClasses: number,
  arrays: ReadonlyMap<string, StoredArray>,
  file: string,
): void {
  const shape = supernetShape(config);
  const { total, pyramid } = supernetCost(createRoutingSpace(shape), { height: 8, width: 8 });
  const { channels = shape.pyramid, stackedConvs } = config.head;
  const towers = 2 * channels * (stackedConvs > 0 ? shape.pyramid + (stackedConvs - 1) * channels : 0);
  const classes = 9 * numClasses * (stackedConvs > 0 ? channels : shape.pyramid);
  const needed = total + pyramid + towers + classes;
  const stored = [...arrays].reduce((n, [name, { data }]) => n + (isForeign(name) ? 0 : data.length), 0);
  if (needed > stored) {
    throw new CheckpointError(
      `${file}: its configuration and class table ask for at least ${needed} weights, the file has ${stored}. They do not belong together.`,
      { file, needed, stored },
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
  requireWeights(config, classes.length, arrays, file);
  const detector = buildDetector(config, { numClasses: classes.length, random: createRandom(0) });
  try {
    detector.loadStateDict(new Map([...arrays].filter(([name]) => !isForeign(name))));
  } catch (error) {
    detector.dispose();
    throw error;
  }
  return { detector, config, classes, metadata: rest, extra: new Map([...arrays].filter(([name]) => isForeign(name))) };
}
