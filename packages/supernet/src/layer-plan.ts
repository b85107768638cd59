// The order in which a supernet's inference runs: its nodes by layer with the paths that leave them, and for one input size the size
// of every map and what each part costs. Pure data; no tensors.
import { type InputSize, type SupernetCost, scaleSizes } from "./cost";
import type { PathKind, RoutingSpace } from "./routing-space";

/** One path of a node, as an executor needs it. */
export interface PathStep {
  /** Index in the routing space. */
  readonly path: number;
  readonly kind: PathKind;
  /** The scale that receives it. */
  readonly target: number;
}

/** One node, as an executor needs it. */
export interface NodeStep {
  /** Index in the routing space. */
  readonly index: number;
  readonly scale: number;
  readonly paths: readonly PathStep[];
}

/** The nodes of one layer, fine to coarse. */
export interface LayerSteps {
  readonly nodes: readonly NodeStep[];
  /** Index of the layer's first path in the routing space. */
  readonly firstPath: number;
  /** How many paths leave the layer; they are consecutive. */
  readonly pathCount: number;
  /** How many scales the next layer has; behind the last one all. */
  readonly reached: number;
}

/** Everything about one input size that does not depend on the image. */
export interface InferencePlan {
  readonly layers: readonly LayerSteps[];
  /** Height and width of every scale's maps. */
  readonly sizes: readonly (readonly [number, number])[];
  readonly cost: SupernetCost;
}

const STEP: Readonly<Record<PathKind, number>> = { up: -1, keep: 0, down: 1 };

/** The layers of a routing space, for any input size. */
export function layerSteps(space: RoutingSpace): LayerSteps[] {
  const { layers, channels } = space.shape;
  return Array.from({ length: layers }, (_, layer) => {
    const nodes = space.nodes.flatMap((node, index) => {
      if (node.layer !== layer) return [];
      const paths = node.paths.map((path) => {
        const { kind } = space.paths[path]!;
        return { path, kind, target: node.scale + STEP[kind] };
      });
      return [{ index, scale: node.scale, paths }];
    });
    return {
      nodes,
      firstPath: nodes[0]!.paths[0]!.path,
      pathCount: nodes.reduce((n, node) => n + node.paths.length, 0),
      reached: layer + 1 < layers ? Math.min(layer + 2, channels.length) : channels.length,
    };
  });
}

/** Joins what does not depend on the input's size with what does. */
export function inferencePlan(layers: readonly LayerSteps[], size: InputSize, cost: SupernetCost): InferencePlan {
  const scales = layers[layers.length - 1]!.reached;
  return { layers, sizes: scaleSizes(size, scales), cost };
}
