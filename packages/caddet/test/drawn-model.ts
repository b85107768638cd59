// A detector's file without a training: the network of drawn-set.ts's configuration with weights as they are drawn, which finds many
// things with low scores.
import { writeFile } from "node:fs/promises";
import { createRandom } from "@caddet/core";
import { buildDetector, parseModelConfig, serializeDetector } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import { parseTrainConfig } from "@caddet/trainer";
import { parts } from "../src/parts";
import { CONFIG } from "./drawn-set";

/** The class table of {@link writeModel}'s files: that of drawn-set.ts. */
export const CLASSES = [
  { id: 3, name: "even" },
  { id: 7, name: "odd" },
];

/** Paths of the network. */
export const PATHS = 19;

/** Writes a detector's file. */
export async function writeModel(file: string): Promise<string> {
  await prepareBackend({ backend: "wasm" });
  const config = parseModelConfig(CONFIG.model, parts);
  const detector = buildDetector(config, { parts, numClasses: CLASSES.length, random: createRandom(5) });
  const metadata = { training: JSON.stringify(parseTrainConfig(CONFIG)) };
  await writeFile(file, await serializeDetector({ detector, config, classes: CLASSES, metadata }));
  detector.dispose();
  return file;
}
