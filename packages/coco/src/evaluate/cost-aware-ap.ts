// AP over images that cost the network about the same: does it spend where that pays? Not one of COCO's numbers; each group is
// evaluated as COCO evaluates a data set of just those images.
import { ConfigError } from "@caddet/core/base";
import type { CocoResults } from "../results/results";
import { evaluateDetections } from "./evaluate";
import type { EvaluationTruth } from "./evaluation-groups";
import type { EvaluationParams } from "./evaluation-params";

/** Options of {@link costAwareAp}. */
export interface CostAwareApOptions {
  /** How many groups of equally many images (give or take one), default 4; fewer where there are fewer images. */
  readonly groups?: number;
  /** Groups by cost instead: `[e0, e1)`, `[e1, e2)` ... and the last edge included. Images outside are left out. */
  readonly edges?: readonly number[];
  /** Of the evaluation, without `imgIds`. Default: COCO's. */
  readonly params?: Omit<EvaluationParams, "imgIds">;
}

/** One group of images. */
export interface CostGroup {
  /** Lowest and highest cost in the group, in the unit given (MAdds). */
  readonly from: number;
  readonly to: number;
  readonly meanCost: number;
  /** `[I]`: rising cost. */
  readonly imageIds: Float64Array;
  /** `[12]`: COCO's numbers of these images alone; -1 where undefined. */
  readonly stats: Float64Array;
}

interface CostedImage {
  readonly id: number;
  readonly cost: number;
}

function splitByEdges(images: readonly CostedImage[], edges: readonly number[]): CostedImage[][] {
  if (edges.length < 2 || edges.some((edge, n) => !(n === 0 || edge > edges[n - 1]!))) {
    throw new ConfigError(`edges needs at least two rising numbers, got [${edges.join(", ")}].`, { edges });
  }
  return edges.slice(1).map((end, n) => {
    const isLast = n === edges.length - 2;
    return images.filter(({ cost }) => cost >= edges[n]! && (cost < end || (isLast && cost === end)));
  });
}

function splitByCount(images: readonly CostedImage[], groups: number): CostedImage[][] {
  if (!(Number.isInteger(groups) && groups > 0)) {
    throw new ConfigError(`groups needs an integer from 1, got ${groups}.`, { groups });
  }
  return Array.from({ length: groups }, (_, n) =>
    images.slice(Math.round((n * images.length) / groups), Math.round(((n + 1) * images.length) / groups)),
  );
}

/**
 * COCO's numbers of images grouped by what the network spent on them.
 *
 * @param truth a data set
 * @param results detections
 * @param costs executed MAdds (or any cost) by image id; every image of the data set has one
 * @param options how to group, default four groups of equally many images
 * @returns the groups that have images, by rising cost; images of equal cost are in the order of their ids
 * @throws ConfigError when an image has no cost, or groups or edges are wrong; DatasetError as `evaluateDetections`
 * @example costAwareAp(dataset, results, madds).map(({ meanCost, stats }) => [meanCost, stats[0]])
 */
export function costAwareAp(
  truth: EvaluationTruth,
  results: CocoResults,
  costs: ReadonlyMap<number, number>,
  { groups = 4, edges, params = {} }: CostAwareApOptions = {},
): CostGroup[] {
  const images = Array.from(truth.images.ids, (id) => {
    const cost = costs.get(id);
    if (cost === undefined || !Number.isFinite(cost)) {
      throw new ConfigError(`Image ${id} needs a finite cost, got ${cost}. Give one for each image.`, { imageId: id });
    }
    return { id, cost };
  }).sort((p, q) => p.cost - q.cost || p.id - q.id);
  const split = edges ? splitByEdges(images, edges) : splitByCount(images, groups);
  return split
    .filter((group) => group.length > 0)
    .map((group) => {
      const imageIds = Float64Array.from(group, ({ id }) => id);
      return {
        from: group[0]!.cost,
        to: group[group.length - 1]!.cost,
        meanCost: group.reduce((sum, { cost }) => sum + cost, 0) / group.length,
        imageIds,
        stats: evaluateDetections(truth, results, { ...params, imgIds: imageIds }).stats,
      };
    });
}
