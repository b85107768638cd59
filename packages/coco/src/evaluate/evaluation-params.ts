// The parameters of an evaluation with pycocotools' defaults (cocoeval.py, Params), checked and completed.
import { ConfigError } from "@caddet/core/base";

/** Parameters of `evaluateDetections`. All have the defaults of COCO's box evaluation. */
export interface EvaluationParams {
  /** Images to evaluate. Default: all of the data set. Ids that it lacks count as images without objects. */
  readonly imgIds?: ArrayLike<number>;
  /** Categories to evaluate. Default: all of the data set. */
  readonly catIds?: ArrayLike<number>;
  /** IoU thresholds. Default .50, .55 ... .95 as `linspace` gives them. */
  readonly iouThrs?: ArrayLike<number>;
  /** Recalls at which precision is read, rising. Default 0, .01 ... 1 as `linspace` gives them. */
  readonly recThrs?: ArrayLike<number>;
  /** Ranges of area in square pixels, both ends included. At most 31; default all, small, medium, large. */
  readonly areaRng?: readonly (readonly [number, number])[];
  /** Names of the ranges; the statistics look for all, small, medium and large. */
  readonly areaRngLbl?: readonly string[];
  /** Detections counted for each image and category. Default 1, 10, 100. */
  readonly maxDets?: ArrayLike<number>;
  /** Whether categories are told apart. Default true. */
  readonly useCats?: boolean;
  /**
   * Whether a match with an annotation of id 0 counts as none, which pycocotools does because 0 means "unmatched" there.
   * Default true, for equal numbers; the result carries a warning where it made a difference.
   */
  readonly zeroIdIsUnmatched?: boolean;
}

/** The parameters that an evaluation ran with. */
export interface ResolvedParams {
  /** Sorted, without repeats. */
  readonly imgIds: Float64Array;
  /** Sorted, without repeats; with `useCats: false` in the order given. */
  readonly catIds: Float64Array;
  readonly iouThrs: Float64Array;
  readonly recThrs: Float64Array;
  readonly areaRng: readonly (readonly [number, number])[];
  readonly areaRngLbl: readonly string[];
  /** Sorted. */
  readonly maxDets: Int32Array;
  readonly useCats: boolean;
  readonly zeroIdIsUnmatched: boolean;
}

const AREA_RANGES = [
  [0, 1e10],
  [0, 32 ** 2],
  [32 ** 2, 96 ** 2],
  [96 ** 2, 1e10],
] as const;
const AREA_LABELS = ["all", "small", "medium", "large"] as const;

// A detection's ranges are the bits of a word.
const MOST_AREA_RANGES = 31;

// numpy's linspace: start + i · step, and the end itself. The last bits of thresholds decide ties.
function linspace(start: number, stop: number, n: number): Float64Array {
  const step = (stop - start) / (n - 1);
  const out = Float64Array.from({ length: n }, (_, i) => start + i * step);
  out[n - 1] = stop;
  return out;
}

const sorted = (values: ArrayLike<number>) => Float64Array.from(new Set(Array.from(values))).sort();

/**
 * Completes parameters.
 *
 * @param params what the caller asks for
 * @param defaults ids of the data set's images and categories
 * @throws ConfigError when a list is empty or does not fit another
 */
export function resolveParams(
  params: EvaluationParams,
  defaults: { readonly imgIds: ArrayLike<number>; readonly catIds: ArrayLike<number> },
): ResolvedParams {
  const { useCats = true, zeroIdIsUnmatched = true, areaRng = AREA_RANGES, areaRngLbl = AREA_LABELS } = params;
  const catIds = params.catIds ?? defaults.catIds;
  const resolved = {
    imgIds: sorted(params.imgIds ?? defaults.imgIds),
    catIds: useCats ? sorted(catIds) : Float64Array.from(new Set(Array.from(catIds))),
    iouThrs: Float64Array.from(params.iouThrs ?? linspace(0.5, 0.95, 10)),
    recThrs: Float64Array.from(params.recThrs ?? linspace(0, 1, 101)),
    areaRng,
    areaRngLbl,
    maxDets: Int32Array.from(params.maxDets ?? [1, 10, 100]).sort(),
    useCats,
    zeroIdIsUnmatched,
  };
  if (areaRng.length !== areaRngLbl.length) {
    throw new ConfigError(`Expected a label for each of ${areaRng.length} area ranges, got ${areaRngLbl.length}.`);
  }
  if (areaRng.length > MOST_AREA_RANGES) {
    throw new ConfigError(
      `At most ${MOST_AREA_RANGES} area ranges are evaluated at once, got ${areaRng.length}. Evaluate in parts.`,
    );
  }
  for (const key of ["iouThrs", "recThrs", "areaRng", "maxDets"] as const) {
    if (resolved[key].length === 0) throw new ConfigError(`${key} is empty. Leave it out for COCO's default.`, { key });
  }
  if (resolved.maxDets[0]! < 1) {
    throw new ConfigError(`maxDets needs positive integers, got [${resolved.maxDets.join(", ")}].`);
  }
  if (![...resolved.iouThrs, ...resolved.recThrs].every(Number.isFinite)) {
    throw new ConfigError("iouThrs and recThrs need finite numbers.");
  }
  if (resolved.recThrs.some((v, i) => i > 0 && v < resolved.recThrs[i - 1]!)) {
    throw new ConfigError("recThrs need to rise.");
  }
  return resolved;
}
