// What detection may be told, and what it gives: detections of an engine as objects of a class table.
import { ConfigError, type Detections, type Size } from "@caddet/core";
import type { ClassEntry } from "@caddet/detector";

/** What a call may be told. */
export interface DetectOptions {
  /** Smallest score, from 0 to 1. Default 0.3. */
  readonly threshold?: number;
  /** Most detections, an integer from 0. Default 100. */
  readonly maxDetections?: number;
  /** Ends the call at once, with its reason: images that wait are dropped, those that run are not waited for. */
  readonly signal?: AbortSignal;
}

/** One detected object. */
export interface DetectedObject {
  readonly label: string;
  /** The class' id in the data set that the detector was trained on. */
  readonly categoryId: number;
  /** In [0, 1]. */
  readonly score: number;
  /** `x1, y1, x2, y2` in source pixels. */
  readonly box: readonly [number, number, number, number];
}

/** What one image gave. */
export interface InferenceResult {
  /** Best first. */
  readonly objects: readonly DetectedObject[];
  readonly source: Size;
  /** The network's input, padding included. */
  readonly input: Size;
  /** Executed MAdds of blocks and paths; absent for a static backbone. */
  readonly madds?: number;
  /** `[P]`, gates as decided on; absent for a static backbone. */
  readonly gates?: Float32Array;
  /** How many paths were open; absent for a static backbone. */
  readonly openPaths?: number;
  /** Images of the batch that it ran in. */
  readonly batch: number;
  /** Wall time of preparing it and of its batch, milliseconds; waiting for others is not in it. */
  readonly ms: number;
}

/** Which of the detections are wanted. */
export type Wanted = Required<Omit<DetectOptions, "signal">>;

/** Checks options and fills in their defaults. */
export function checkedOptions({ threshold = 0.3, maxDetections = 100 }: DetectOptions): Wanted {
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new ConfigError(`threshold is a score from 0 to 1, got ${threshold}.`, { threshold });
  }
  if (!(Number.isInteger(maxDetections) && maxDetections >= 0)) {
    throw new ConfigError(`maxDetections is an integer from 0, got ${maxDetections}.`, { maxDetections });
  }
  return { threshold, maxDetections };
}

/** The wanted detections with the names of their classes. */
export function objectsOf(
  { boxes, scores, labels }: Detections,
  classes: readonly ClassEntry[],
  { threshold, maxDetections }: Wanted,
): DetectedObject[] {
  const kept = [...scores.keys()].filter((i) => scores[i]! >= threshold).slice(0, maxDetections);
  return kept.map((i) => {
    const entry = classes[labels[i]!];
    if (!entry) {
      throw new ConfigError(
        `The detector found class ${labels[i]}, the class table has ${classes.length}. Pass the table that it was trained with.`,
        { label: labels[i], classes: classes.length },
      );
    }
    const { id, name } = entry;
    const [x1, y1, x2, y2] = boxes.subarray(i * 4, i * 4 + 4) as unknown as [number, number, number, number];
    return { label: name, categoryId: id, score: scores[i]!, box: [x1, y1, x2, y2] };
  });
}

/** How many of the gates are open. */
export function countOpen(gates: Float32Array): number {
  return gates.reduce((open, gate) => open + (gate > 0 ? 1 : 0), 0);
}
