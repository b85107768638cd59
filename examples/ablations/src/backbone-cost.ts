// MAdds of a table's backbones for one input size: what every image costs, and what only the open paths do.
import { MobileNetBackbone } from "@caddet/baselines";
import { executedCost } from "@caddet/budget";
import { type Backbone, ConfigError, type Size } from "@caddet/core";
import { Supernet } from "@caddet/supernet";
import { NeckedSupernet } from "./necked-supernet";

/**
 * What a backbone, its neck included, costs whatever its gates say: stem, routers, pyramid and neck of CADDet, all of a MobileNet.
 *
 * @param backbone one of the tables'
 * @param size the network's input in pixels
 * @returns MAdds, batch 1
 * @throws ConfigError for another backbone
 * @example constantMadds(detector.backbone, { height: 640, width: 800 })
 */
export function constantMadds(backbone: Backbone, size: Size): number {
  if (backbone instanceof NeckedSupernet) {
    return constantMadds(backbone.supernet, size) + backbone.neck.cost(size).total;
  }
  if (backbone instanceof Supernet) {
    const { stem, routers, pyramid } = backbone.cost(size);
    return stem + routers + pyramid;
  }
  if (backbone instanceof MobileNetBackbone) return backbone.cost(size).total;
  throw new ConfigError("The cost of this backbone is not known: it is none of the tables'.");
}

/**
 * What each image's open blocks and paths cost (Eq. 2 with gates of 0 and 1), all for one input size, so that images differ by their routes alone.
 *
 * @param backbone a routed one
 * @param gates `[I * P]`, as decided on
 * @param size the network's input in pixels
 * @returns `[I]` MAdds
 * @example routedMadds(detector.backbone, evaluation.gates, { height: 640, width: 800 })
 */
export function routedMadds({ routing }: Backbone, gates: Float32Array, { height, width }: Size): Float64Array {
  if (!routing) throw new ConfigError("This backbone routes nothing.");
  const { nodeOfPath, threshold } = routing;
  return executedCost(gates, nodeOfPath, routing.cost(height, width), threshold);
}
