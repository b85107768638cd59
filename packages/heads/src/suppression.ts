// Which suppression detections go through, as options: hard or soft, by class or across classes.
// The algorithms are in nms.ts and soft-nms.ts.
import { ConfigError } from "@caddet/core";
import { batchedNms } from "./nms";
import { batchedSoftNms, type SoftNmsResult } from "./soft-nms";

/** "hard" drops a box that overlaps a better one; the soft kinds lower its score (Bodla et al. 2017). */
export type NmsKind = "hard" | "soft-linear" | "soft-gaussian";

/** How overlapping detections are suppressed. */
export interface SuppressionOptions {
  /** Default "hard". */
  readonly nms?: NmsKind;
  /** A box is dropped ("soft-linear": loses score) when its IoU with a better one is larger. Default 0.5. */
  readonly nmsIou?: number;
  /** "soft-gaussian": larger takes less score away. Default 0.5. */
  readonly nmsSigma?: number;
  /** Soft kinds: a box is dropped when its score falls below. Default 0.001. */
  readonly nmsMinScore?: number;
  /** Whether boxes of other classes suppress a box, too. Default false. */
  readonly classAgnostic?: boolean;
}

/** The defaults of {@link SuppressionOptions}. */
export const SUPPRESSION_DEFAULTS: Required<SuppressionOptions> = {
  nms: "hard",
  nmsIou: 0.5,
  nmsSigma: 0.5,
  nmsMinScore: 0.001,
  classAgnostic: false,
};

const KINDS: readonly NmsKind[] = ["hard", "soft-linear", "soft-gaussian"];

/**
 * Says what is wrong with the options.
 *
 * @param options complete options
 * @returns a sentence without its head's name, or undefined
 */
export function suppressionFault({
  nms,
  nmsIou,
  nmsSigma,
  nmsMinScore,
}: Required<SuppressionOptions>): string | undefined {
  if (!KINDS.includes(nms)) return `nms should be one of ${KINDS.join(", ")}, got ${JSON.stringify(nms)}.`;
  if (!(nmsIou >= 0 && nmsIou <= 1)) return `nmsIou should lie in [0, 1], got ${nmsIou}.`;
  if (!(nmsSigma > 0)) return `nmsSigma should be above 0, got ${nmsSigma}.`;
  return nmsMinScore >= 0 ? undefined : `nmsMinScore should be at least 0, got ${nmsMinScore}.`;
}

/**
 * Suppresses boxes of one image.
 *
 * @param boxes `[N * 4]`, `x1, y1, x2, y2` a box, in pixels
 * @param scores `[N]`
 * @param labels `[N]`
 * @param options which suppression
 * @param limit how many are kept
 * @returns what is kept, and its scores, by falling score
 * @throws ShapeError when the counts differ; ConfigError on options that make no sense
 */
export function suppress(
  boxes: ArrayLike<number>,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  options: SuppressionOptions,
  limit: number,
): SoftNmsResult {
  const complete = { ...SUPPRESSION_DEFAULTS, ...options };
  const { nms, nmsIou, nmsSigma, nmsMinScore, classAgnostic } = complete;
  const fault = suppressionFault(complete);
  if (fault) throw new ConfigError(`NMS: ${fault}`, { options });
  const groups = classAgnostic ? new Int32Array(labels.length) : labels;
  if (nms === "hard") {
    const kept = batchedNms(boxes, scores, groups, nmsIou, limit);
    return { kept, scores: Float32Array.from(kept, (i) => scores[i]!) };
  }
  const decay = nms === "soft-linear" ? "linear" : "gaussian";
  return batchedSoftNms(boxes, scores, groups, {
    decay,
    iouThreshold: nmsIou,
    sigma: nmsSigma,
    minScore: nmsMinScore,
    limit,
  });
}
