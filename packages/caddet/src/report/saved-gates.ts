// The routes of an evaluation as a file beside its detections: JSON, an entry an image, so that a report needs no second pass through
// the network.
import { readFile } from "node:fs/promises";
import { DatasetError } from "@caddet/core";
import type { DetectorEvaluation } from "@caddet/trainer";

const FORMAT = "caddet-gates/1";
// An image of the paper's network has 155 gates; both bounds keep a hostile file from taking the memory.
const MAX_BYTES = 512e6;
const MAX_GATES = 100_000;

/** Routes of images. */
export interface SavedGates {
  readonly imageIds: readonly number[];
  /** `[I]`, executed MAdds of blocks and paths. */
  readonly madds: Float64Array;
  /** `[I * P]` in [0, 1]. */
  readonly gates: Float32Array;
}

/**
 * Writes down the routes of an evaluation.
 *
 * @param evaluation of a dynamic network
 * @returns a value for `JSON.stringify`; undefined for a static network
 * @example await writeFileAtomic("gates.json", JSON.stringify(gatesToJson(evaluation)))
 */
export function gatesToJson({
  imageIds,
  madds,
  gates,
}: Pick<DetectorEvaluation, "imageIds" | "madds" | "gates">): unknown {
  if (!madds || !gates) return undefined;
  const paths = gates.length / imageIds.length;
  const images = imageIds.map((id, i) => ({
    id,
    madds: madds[i]!,
    gates: Array.from(gates.subarray(i * paths, (i + 1) * paths), (gate) => Number(gate.toPrecision(9))),
  }));
  return { format: FORMAT, images };
}

interface Entry {
  readonly id: number;
  readonly madds: number;
  readonly gates: readonly number[];
}

function isEntry(entry: unknown): entry is Entry {
  const { id, madds, gates } = (entry ?? {}) as Partial<Record<keyof Entry, unknown>>;
  return (
    Number.isSafeInteger(id) &&
    Number.isFinite(madds) &&
    (madds as number) >= 0 &&
    Array.isArray(gates) &&
    gates.length <= MAX_GATES &&
    gates.every((gate) => typeof gate === "number" && gate >= 0 && gate <= 1)
  );
}

/**
 * Reads what {@link gatesToJson} wrote.
 *
 * @param file its path
 * @returns routes in the file's order
 * @throws DatasetError when it cannot be read, or is not of that form
 */
export async function readSavedGates(file: string): Promise<SavedGates> {
  const fail = (reason: string, cause?: unknown) => new DatasetError(`${file}: ${reason}`, { file }, { cause });
  const bytes = await readFile(file).catch((cause: Error) => {
    throw fail(`cannot be read: ${cause.message}`, cause);
  });
  if (bytes.length > MAX_BYTES) throw fail(`has ${bytes.length} bytes, at most ${MAX_BYTES} are read.`);
  let json: { format?: unknown; images?: unknown } | null;
  try {
    json = JSON.parse(bytes.toString("utf8")) as typeof json;
  } catch (cause) {
    throw fail("is not JSON. Give the file that caddet evaluate --gates wrote.", cause);
  }
  if (json?.format !== FORMAT || !Array.isArray(json.images) || json.images.length === 0) {
    throw fail(`expected format ${FORMAT} with images. Give the file that caddet evaluate --gates wrote.`);
  }
  const entries: unknown[] = json.images;
  const wrong = entries.findIndex((entry) => !isEntry(entry));
  if (wrong >= 0) throw fail(`images[${wrong}] must have an id, madds from 0 and gates from 0 to 1.`);
  const images = entries as Entry[];
  const paths = images[0]!.gates.length;
  const other = images.findIndex(({ gates }) => gates.length !== paths);
  if (other >= 0) throw fail(`images[${other}] has ${images[other]!.gates.length} gates, the first has ${paths}.`);
  return {
    imageIds: images.map(({ id }) => id),
    madds: Float64Array.from(images, ({ madds }) => madds),
    gates: Float32Array.from(images.flatMap(({ gates }) => gates)),
  };
}
