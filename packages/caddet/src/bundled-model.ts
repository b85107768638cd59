// The small model that comes along, so that `caddet detect photo.jpg` works at once: where it is, what is known of it, and that its bytes
// are those that were published. Trained on 2,524 small images, it shows how things work; it is no model to rely on.
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { CheckpointError } from "@caddet/core/base";
import { BUNDLED_MODEL_FACTS } from "./bundled-model-facts";

/**
 * The model that comes along: `path` of its file, SHA-256, what it was trained on, COCO's numbers.
 *
 * @example const detector = await createDetector({ file: BUNDLED_MODEL.path });
 */
export const BUNDLED_MODEL = {
  ...BUNDLED_MODEL_FACTS,
  path: fileURLToPath(new URL(`../${BUNDLED_MODEL_FACTS.file}`, import.meta.url)),
} as const;

/**
 * Says what the model is and how good.
 *
 * @param run what `--run` says
 * @returns a line; undefined for another model
 */
export function bundledModelNote(run: string): string | undefined {
  if (run !== BUNDLED_MODEL.path) return undefined;
  const { name, trainedOn, metrics } = BUNDLED_MODEL;
  const percent = (value: number) => (100 * value).toFixed(1);
  return (
    `model: ${name}, trained on ${trainedOn}; AP ${percent(metrics.AP)}, AP50 ${percent(metrics.AP50)} of 100 on ` +
    `${metrics.images} images: expect many misses and mistakes. --run takes a model of yours.\n`
  );
}

/**
 * Checks the bytes of the model that comes along; others pass.
 *
 * @param file the file that was read
 * @param bytes all of it
 * @throws CheckpointError when they are not those that were published
 */
export function verifyBundledModel(file: string, bytes: Uint8Array): void {
  if (file !== BUNDLED_MODEL.path) return;
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found === BUNDLED_MODEL.sha256) return;
  throw new CheckpointError(
    `${file} has SHA-256 ${found}, but ${BUNDLED_MODEL.sha256} was published with this version. Install the package again.`,
    { file },
  );
}
