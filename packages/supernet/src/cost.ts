// MAdds of every part of a supernet for one input size, batch 1, by the shapes of its convolutions and matrix products. Normalisation,
// activation, pooling and interpolation are not counted, as in the paper's model (reference: DynamicRouting's cost rule).
import { ShapeError } from "@caddet/core";
import { poolRouterMadds } from "@caddet/router";
import type { PathKind, RoutingSpace } from "./routing-space";

/** Rows and columns of an input in pixels. */
export interface InputSize {
  readonly height: number;
  readonly width: number;
}

/** MAdds of one call of a router on a node's input. */
export type RouterCost = (node: { channels: number; paths: number; height: number; width: number }) => number;

/** MAdds of one node's parts. */
export interface NodeCost {
  readonly layer: number;
  readonly scale: number;
  readonly block: number;
  readonly router: number;
  /** By kind, for the paths that exist. */
  readonly paths: Readonly<Partial<Record<PathKind, number>>>;
}

/** MAdds of a supernet; `total` is C_tot: all blocks and paths, without stem, routers and pyramid. */
export interface SupernetCost {
  readonly total: number;
  readonly blocks: number;
  readonly paths: number;
  readonly routers: number;
  readonly stem: number;
  readonly pyramid: number;
  readonly nodes: readonly NodeCost[];
  /** `[n]`: each node's block. */
  readonly perNode: readonly number[];
  /** `[P]`: each path. */
  readonly perPath: readonly number[];
}

const half = (n: number) => Math.ceil(n / 2);
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** MAdds of a 3 × 3 depthwise and a 1 × 1 convolution on `cells` output cells. */
const sepConvMadds = (cells: number, cin: number, cout: number) => cells * (9 * cin + cin * cout);

/**
 * The size of every scale's map: three halvings by the stem, then one a scale, each rounded up.
 *
 * @param size the input in pixels
 * @param scales how many scales
 * @returns `[height, width]` a scale
 * @example scaleSizes({ height: 104, width: 136 }, 4) // [[13, 17], [7, 9], [4, 5], [2, 3]]
 */
export function scaleSizes({ height, width }: InputSize, scales: number): [number, number][] {
  const sizes: [number, number][] = [[half(half(half(height))), half(half(half(width)))]];
  while (sizes.length < scales) {
    const [h, w] = sizes[sizes.length - 1]!;
    sizes.push([half(h), half(w)]);
  }
  return sizes;
}

/**
 * Counts the MAdds of a supernet, node by node.
 *
 * @param space the routing space
 * @param size the network's input in pixels
 * @param routerMadds the cost of a router; default: the paper's
 * @returns MAdds for batch 1 with all paths open
 * @throws ShapeError when a side is not a positive integer
 * @example supernetCost(createRoutingSpace(PRESETS.paper), { height: 640, width: 800 }).total // 5.67e9
 */
export function supernetCost(
  space: RoutingSpace,
  size: InputSize,
  routerMadds: RouterCost = poolRouterMadds,
): SupernetCost {
  const { height, width } = size;
  if (![height, width].every((v) => Number.isSafeInteger(v) && v > 0)) {
    throw new ShapeError(`The input size must be positive integers, got ${height} x ${width}.`, { height, width });
  }
  const { channels, sepConvs, pyramid } = space.shape;
  const sizes = scaleSizes(size, channels.length);
  const cells = sizes.map(([h, w]) => h * w);

  const pathMadds = (kind: PathKind, scale: number) => {
    const c = channels[scale]!;
    if (kind === "keep") return 0;
    if (kind === "up") return cells[scale]! * c * channels[scale - 1]!; // the 1 x 1 convolution comes before the interpolation
    return half(sizes[scale]![0]) * half(sizes[scale]![1]) * c * channels[scale + 1]!;
  };
  const perPath = space.paths.map(({ kind, from }) => pathMadds(kind, space.nodes[from]!.scale));
  const perNode = space.nodes.map(({ scale, channels: c }) => sepConvs * sepConvMadds(cells[scale]!, c, c));
  const nodes = space.nodes.map(({ layer, scale, channels: c, paths }, i) => ({
    layer,
    scale,
    block: perNode[i]!,
    router: routerMadds({ channels: c, paths: paths.length, height: sizes[scale]![0], width: sizes[scale]![1] }),
    paths: Object.fromEntries(paths.map((p) => [space.paths[p]!.kind, perPath[p]!])),
  }));

  const c0 = channels[0]!;
  const stemCells = [half(height) * half(width), half(half(height)) * half(half(width)), cells[0]!];
  const stem = sum(stemCells.map((n, i) => sepConvMadds(n, i === 0 ? 3 : c0, c0)));
  const [h, w] = sizes[sizes.length - 1]!;
  const project = sum(channels.map((c, s) => cells[s]! * c * pyramid)) + half(h) * half(w) * 9 * pyramid * pyramid;

  const [blocks, paths] = [sum(perNode), sum(perPath)];
  const routers = sum(nodes.map((n) => n.router));
  return { total: blocks + paths, blocks, paths, routers, stem, pyramid: project, nodes, perNode, perPath };
}
