// What a set of gates looks like: how often each path opens, how far, and how decided the routers are about it.
// Plain arrays in and out, for logs and plots.
import { checkCounts, imagesOf, openEntropy } from "./gate-values";

/** Options of {@link gateStatistics}. */
export interface GateStatisticsOptions {
  /** P, the paths of one image. */
  readonly paths: number;
  /** A path is open where its gate is at least this, default 1e-4. */
  readonly tau?: number;
  /** Bins of the histogram over [0, 1], default 10. */
  readonly bins?: number;
}

/** Statistics of the gates of B images. */
export interface GateStatistics {
  /** B. */
  readonly images: number;
  /** `[P]` in [0, 1]: the share of images for which each path is open. */
  readonly openRate: Float64Array;
  /** `[P]`: the mean gate of each path, closed ones included. */
  readonly meanGate: Float64Array;
  /**
   * `[P]` in bits, in [0, 1]: the entropy of open against closed. 0 where a path is the same for all images, 1 where it is
   * open for half of them: the higher, the more the image decides.
   */
  readonly entropy: Float64Array;
  /** `[bins]`: how many of all B · P gates lie in each bin of equal width over [0, 1]; 1 belongs to the last bin. */
  readonly histogram: Uint32Array;
  /** `[P * bins]`, path by path: the same counts for each path alone. */
  readonly pathHistogram: Uint32Array;
}

/**
 * Counts and averages gates.
 *
 * @param gates `[B * P]` in [0, 1], image by image
 * @param options P, threshold and bins
 * @returns statistics a path, and histograms over all gates and of each path
 * @throws ShapeError when the gates are not whole rows of P, or none; ConfigError when P or bins is not a whole number of
 * at least 1, or a gate is not in [0, 1]
 * @example gateStatistics(await gates.values.data(), { paths: gates.nodeOfPath.length }).openRate
 */
export function gateStatistics(
  gates: ArrayLike<number>,
  { paths, tau = 1e-4, bins = 10 }: GateStatisticsOptions,
): GateStatistics {
  checkCounts("gateStatistics", { paths, bins });
  const images = imagesOf("gateStatistics", gates, paths);
  const openCount = new Uint32Array(paths);
  const meanGate = new Float64Array(paths);
  const histogram = new Uint32Array(bins);
  const pathHistogram = new Uint32Array(paths * bins);
  for (let i = 0; i < gates.length; i++) {
    const gate = gates[i]!;
    const path = i % paths;
    if (gate >= tau) openCount[path]!++;
    meanGate[path]! += gate / images;
    const bin = Math.min(Math.floor(gate * bins), bins - 1);
    histogram[bin]!++;
    pathHistogram[path * bins + bin]!++;
  }
  const openRate = Float64Array.from(openCount, (count) => count / images);
  return { images, openRate, meanGate, entropy: openRate.map(openEntropy), histogram, pathHistogram };
}
