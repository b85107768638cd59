// Means over the routes of the images that a run trains on, taken up batch by batch.
import type { RoutingInfo } from "@caddet/core/base";
import type { SeenRoutes } from "./route-sections";

/** Sums that grow. */
export interface RouteSums {
  /** Takes up a batch: `[B * P]`, row-major. */
  add(gates: Float32Array): void;
  /** The means so far; undefined before the first image. */
  means(): SeenRoutes | undefined;
}

/**
 * Starts sums at nothing.
 *
 * @param routing which node each path leaves, and the threshold
 */
export function createRouteSums({ nodeOfPath, threshold }: Pick<RoutingInfo, "nodeOfPath" | "threshold">): RouteSums {
  const paths = nodeOfPath.length;
  const sums = new Float64Array(paths);
  const ran = new Float64Array(1 + nodeOfPath.reduce((a, b) => Math.max(a, b), -1));
  let images = 0;
  return {
    add: (gates) => {
      for (let at = 0; at + paths <= gates.length; at += paths, images++) {
        const runs = new Uint8Array(ran.length);
        for (let p = 0; p < paths; p++) {
          sums[p]! += gates[at + p]!;
          if (gates[at + p]! >= threshold) runs[nodeOfPath[p]!] = 1;
        }
        runs.forEach((flag, n) => {
          ran[n]! += flag;
        });
      }
    },
    means: () => {
      if (images === 0) return undefined;
      return {
        images,
        gates: sums.map((sum) => Math.min(1, sum / images)),
        usage: ran.map((count) => count / images),
      };
    },
  };
}
