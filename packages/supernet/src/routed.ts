// The routed executor: closed paths and dropped nodes are not computed (paper §3.1, inference). It means the same as dense.ts in
// inference mode. One gate read a layer; each node runs once, on the images of the batch that need it.
import { type RoutedOutput, tidy } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { type SupernetCost, scaleSizes } from "./cost";
import type { RoutingNode } from "./routing-space";
import type { Supernet } from "./supernet";

/** What a routed forward pass may be told. */
export interface RoutedForwardOptions {
  /** `[B * P]`, row-major: gates to use in place of the routers'. */
  readonly gates?: Float32Array;
}

/** What reaches one node for one image: maps and their factors; none stands for zeros. */
type Terms = { readonly map: tf.Tensor4D; readonly factor: number }[];

/** A node of the current layer with its index in the routing space. */
interface LayerNode extends RoutingNode {
  readonly index: number;
}

/** The state of one forward pass. */
interface Pass {
  readonly net: Supernet;
  readonly cost: SupernetCost;
  /** Height and width of every scale's maps. */
  readonly sizes: readonly [number, number][];
  /** `[B * P]`: the gates as decided on. */
  readonly gates: Float32Array;
  /** `[B]`: what ran. */
  readonly madds: Float64Array;
}

const together = (maps: readonly tf.Tensor4D[]) => (maps.length === 1 ? maps[0]! : tf.concat(maps as tf.Tensor4D[], 0));
const apart = (map: tf.Tensor4D): tf.Tensor4D[] => (map.shape[0] === 1 ? [map] : tf.split(map, map.shape[0]));

function sumOf(terms: Terms, zeros: [number, number, number, number]): tf.Tensor4D {
  if (terms.length === 0) return tf.zeros(zeros);
  return terms
    .map(({ map, factor }) => (factor === 1 ? map : tf.mul(map, factor)))
    .reduce((a, b) => tf.add(a, b)) as tf.Tensor4D;
}

/** The routers' gates of one layer, `[B * K]` over its K paths, in one read. */
async function readGates(
  net: Supernet,
  nodes: readonly LayerNode[],
  maps: readonly (readonly tf.Tensor4D[])[],
): Promise<Float32Array> {
  const gates = tf.tidy(() =>
    tf.concat(
      nodes.map(({ index, scale }) => net.nodes[index]!.router.forward(together(maps[scale]!))),
      1,
    ),
  );
  try {
    return await gates.data<"float32">();
  } finally {
    gates.dispose();
  }
}

// Runs one node on the images x that need it, and adds what it sends to the terms of the scales that receive it.
function runNode(
  { net, cost, sizes, gates, madds }: Pass,
  { index, scale, paths }: LayerNode,
  x: readonly tf.Tensor4D[],
  gateOf: (image: number, path: number) => number,
  incoming: readonly (readonly Terms[])[],
): void {
  const images = [...x.keys()];
  const takers = paths.map((path) => images.filter((b) => gateOf(b, path) >= net.threshold));
  const running = images.filter((b) => takers.some((some) => some.includes(b)));
  for (const b of images) {
    if (running.includes(b)) madds[b]! += cost.perNode[index]!;
    else incoming[scale]![b]!.push({ map: x[b]!, factor: 1 });
  }
  if (running.length === 0) return;
  const node = net.nodes[index]!;
  const y = node.computeBlock(together(running.map((b) => x[b]!)), false);
  const yOf = new Map(apart(y).map((part, k) => [running[k]!, part]));
  for (const [k, path] of paths.entries()) {
    const some = takers[k]!;
    if (some.length === 0) continue;
    const { kind } = net.space.paths[path]!;
    const from = some.length === running.length ? y : together(some.map((b) => yOf.get(b)!));
    const out = apart(node.computePath(kind, from, sizes[scale - 1], false));
    const target = scale + (kind === "up" ? -1 : kind === "down" ? 1 : 0);
    for (const [j, b] of some.entries()) {
      const factor = net.gateValue === "binary" ? 1 : gateOf(b, path);
      gates[b * net.space.paths.length + path] = factor;
      madds[b]! += cost.perPath[path]!;
      incoming[target]![b]!.push({ map: out[j]!, factor });
    }
  }
}

/**
 * Runs what the gates of each image ask for.
 *
 * @param net the supernet
 * @param images `[B, H, W, 3]`
 * @param options gates to force
 * @returns pyramid, gates as decided on (closed ones 0) and executed MAdds of blocks and paths
 */
export async function forwardRouted(
  net: Supernet,
  images: tf.Tensor4D,
  { gates: forced }: RoutedForwardOptions,
): Promise<RoutedOutput> {
  const [batch, height, width] = images.shape;
  const { paths, shape } = net.space;
  const { channels, layers } = shape;
  const pass: Pass = {
    net,
    cost: net.cost({ height, width }),
    sizes: scaleSizes({ height, width }, channels.length),
    gates: new Float32Array(batch * paths.length),
    madds: new Float64Array(batch),
  };
  // maps[s][b] is what node s of the layer receives for image b
  let maps: tf.Tensor4D[][] = [tidy(() => apart(net.stem.apply(images, false)))];
  try {
    for (let layer = 0; layer < layers; layer++) {
      const nodes = net.space.nodes.flatMap((node, index) => (node.layer === layer ? [{ ...node, index }] : []));
      const own = forced ?? (await readGates(net, nodes, maps));
      const columns = forced ? paths.length : nodes.reduce((n, node) => n + node.paths.length, 0);
      const first = forced ? 0 : nodes[0]!.paths[0]!;
      const gateOf = (b: number, path: number) => own[b * columns + path - first]!;
      const reached = layer + 1 < layers ? Math.min(layer + 2, channels.length) : channels.length;
      const received = maps;
      maps = tidy(() => {
        const incoming = channels.map(() => Array.from({ length: batch }, (): Terms => []));
        for (const node of nodes) runNode(pass, node, received[node.scale]!, gateOf, incoming);
        // A map that is passed on whole is shared, not copied: the clone lets its predecessor go.
        return incoming
          .slice(0, reached)
          .map((terms, s) => terms.map((t) => tf.clone(sumOf(t, [1, ...pass.sizes[s]!, channels[s]!]))));
      });
      tf.dispose(received);
    }
    const features = tidy(() => net.pyramid(maps.map(together))); // [B, H, W, C] a scale
    return { features, gates: pass.gates, madds: pass.madds };
  } finally {
    tf.dispose(maps);
  }
}
