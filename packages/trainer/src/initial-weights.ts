// Weights that a training starts from: a pre-trained supernet, or another run's detector for other classes.
import { readFile } from "node:fs/promises";
import { CheckpointError, parseSafetensors } from "@caddet/core";
import { type Detector, loadWeights } from "@caddet/detector";

const some = (names: readonly string[]) => `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;

/**
 * Loads what fits of a file's weights.
 *
 * @param detector gets them
 * @param file a .safetensors file with weights by a detector's names; names with a slash, an optimiser's state, are passed over
 * @returns what was taken and what was not, in words
 * @throws CheckpointError when it cannot be read, or nothing fits
 * @example process.stderr.write(await loadInitialWeights(detector, "runs/pretrained/supernet.safetensors"));
 */
export async function loadInitialWeights(detector: Detector, file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: Error) => {
    throw new CheckpointError(`${file} cannot be read: ${cause.message}`, { file }, { cause });
  });
  const { arrays } = parseSafetensors(bytes, file);
  const weights = new Map([...arrays].filter(([name]) => !name.includes("/")));
  const { loaded, ...rest } = loadWeights(detector, weights);
  const others = Object.entries(rest)
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => `${names.length} ${kind} (${some(names)})`);
  return [`${loaded.length} arrays of ${file} loaded`, ...others].join(", ");
}
