// The routing space as pure data (paper §3.1): which nodes exist, which paths leave them, where these lead. No tensors, no weights.
// Node (l, s) exists where s <= l (both from 0): the stem feeds scale 0 alone, and each layer can reach one scale further down.
import { ConfigError } from "@caddet/core";

/** Where a path leads: to the finer scale, the same or the coarser one. The order is the gates' order. */
export type PathKind = "up" | "keep" | "down";

const KINDS: readonly PathKind[] = ["up", "keep", "down"];

/** What decides the shape of a supernet. */
export interface SupernetShape {
  /** Layers of nodes behind the stem. */
  readonly layers: number;
  /** Channels of every scale, fine to coarse; scale s has stride 8 · 2^s. */
  readonly channels: readonly number[];
  /** Separable 3 × 3 convolutions in a node's block. */
  readonly sepConvs: number;
  /** Channels of the pyramid's maps. */
  readonly pyramid: number;
}

/** One computation node. */
export interface RoutingNode {
  readonly layer: number;
  readonly scale: number;
  readonly channels: number;
  /** Indices of the paths that leave it, in the order up, keep, down. */
  readonly paths: readonly number[];
}

/** One path between two nodes. */
export interface RoutingPath {
  readonly kind: PathKind;
  /** Index of the node it leaves. */
  readonly from: number;
  /** Index of the node it enters; null behind the last layer, where it feeds the pyramid. */
  readonly to: number | null;
}

/** All nodes and paths, in the order of layers, then scales, then up, keep, down. */
export interface RoutingSpace {
  readonly shape: SupernetShape;
  readonly nodes: readonly RoutingNode[];
  readonly paths: readonly RoutingPath[];
  /** `[P]`: the node that each path leaves. */
  readonly nodeOfPath: readonly number[];
}

function checkShape({ layers, channels, sepConvs, pyramid }: SupernetShape): void {
  const natural = (v: number) => Number.isSafeInteger(v) && v >= 1;
  const wrong = Object.entries({ layers, sepConvs, pyramid }).find(([, v]) => !natural(v));
  if (wrong) throw new ConfigError(`A supernet's ${wrong[0]} must be an integer of at least 1, got ${wrong[1]}.`);
  if (channels.length === 0 || channels.some((c) => !natural(c))) {
    throw new ConfigError(`A supernet's channels must be integers of at least 1, one a scale, got [${channels}].`);
  }
  if (layers < channels.length) {
    throw new ConfigError(
      `${layers} layers cannot reach ${channels.length} scales: a layer reaches one scale more. Use at least ${channels.length} layers.`,
    );
  }
}

/**
 * Lays out the nodes and paths of a supernet.
 *
 * @param shape layers, channels, block depth, pyramid width
 * @returns the routing space
 * @throws ConfigError when a number is not a positive integer or the layers do not reach every scale
 * @example createRoutingSpace(PRESETS.paper).nodes.length // 58
 */
export function createRoutingSpace(shape: SupernetShape): RoutingSpace {
  checkShape(shape);
  const { layers, channels } = shape;
  const scalesAt = (layer: number) => Math.min(layer + 1, channels.length);
  const firstNode = Array.from({ length: layers + 1 }, (_, l) =>
    Array.from({ length: l }, (_, i) => scalesAt(i)).reduce((a, b) => a + b, 0),
  );
  const nodes: RoutingNode[] = [];
  const paths: RoutingPath[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const last = layer === layers - 1;
    for (let scale = 0; scale < scalesAt(layer); scale++) {
      const from = nodes.length;
      const own: number[] = [];
      for (const [i, kind] of KINDS.entries()) {
        const target = scale + i - 1;
        if (last ? kind !== "keep" : target < 0 || target >= channels.length) continue;
        own.push(paths.length);
        paths.push({ kind, from, to: last ? null : firstNode[layer + 1]! + target });
      }
      nodes.push({ layer, scale, channels: channels[scale]!, paths: own });
    }
  }
  return { shape, nodes, paths, nodeOfPath: paths.map((p) => p.from) };
}
