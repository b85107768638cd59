// The routed executor: closed paths and dropped nodes are not computed (paper §3.1, inference). It means the same as dense.ts in
// inference mode. One gate read a layer; each node runs once, on the images of the batch that need it.
import { type RoutedOutput, tidy } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { scaleSizes } from "./cost";
import type { Supernet } from "./supernet";

/** What a routed forward pass may be told. */
export interface RoutedForwardOptions {
  /** `[B * P]`, row-major: gates to use in place of the routers'. */
  readonly gates?: Float32Array;
}

/** What reaches one node for one image: maps and their factors; none stands for zeros. */
type Terms = { readonly map: tf.Tensor4D; readonly factor: number }[];

function sumOf(terms: Terms, zeros: [number, number, number, number]): tf.Tensor4D {
  if (terms.length === 0) return tf.zeros(zeros);
  return terms
    .map(({ map, factor }) => (factor === 1 ? map : tf.mul(map, factor)))
    .reduce((a, b) => tf.add(a, b)) as tf.Tensor4D;
}

const together = (maps: readonly tf.Tensor4D[]) => (maps.length === 1 ? maps[0]! : tf.concat(maps as tf.Tensor4D[], 0));
const apart = (map: tf.Tensor4D): tf.Tensor4D[] => (map.shape[0] === 1 ? [map] : tf.split(map, map.shape[0]));

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
  const { space, threshold, gateValue } = net;
  const [batch, height, width] = images.shape;
  const { channels, layers } = space.shape;
  const sizes = scaleSizes({ height, width }, channels.length);
  const cost = net.cost({ height, width });
  const p = space.paths.length;
  const gates = new Float32Array(batch * p);
  const madds = new Float64Array(batch);
  const each = Array.from({ length: batch }, (_, b) => b);

  // maps[s][b] is what node s of the layer receives for image b
  let maps: tf.Tensor4D[][] = [tidy(() => apart(net.stem.apply(images, false)))];
  for (let layer = 0; layer < layers; layer++) {
    const nodes = space.nodes.flatMap((node, i) => (node.layer === layer ? [{ ...node, i }] : []));
    const values = forced ?? (await readGates(net, nodes, maps));
    const columns = nodes.reduce((n, node) => n + node.paths.length, 0);
    const first = nodes[0]!.paths[0]!;
    const gateOf = (b: number, path: number) => (forced ? values[b * p + path]! : values[b * columns + path - first]!);
    const previous = maps;
    maps = tidy(() => {
      const incoming = channels.map(() => each.map((): Terms => [])); // by the scale that receives, then image

      for (const { i, scale, paths } of nodes) {
        const x = previous[scale]!;
        const open = paths.map((path) => each.filter((b) => gateOf(b, path) >= threshold));
        const running = each.filter((b) => open.some((images) => images.includes(b)));
        for (const b of each) if (!running.includes(b)) incoming[scale]![b]!.push({ map: x[b]!, factor: 1 });
        if (running.length === 0) continue;
        const y = net.nodes[i]!.computeBlock(together(running.map((b) => x[b]!)), false);
        const yOf = new Map(apart(y).map((part, k) => [running[k]!, part]));
        for (const b of running) madds[b]! += cost.perNode[i]!;
        for (const [k, path] of paths.entries()) {
          const takers = open[k]!;
          if (takers.length === 0) continue;
          const { kind } = space.paths[path]!;
          const from = takers.length === running.length ? y : together(takers.map((b) => yOf.get(b)!));
          const out = apart(net.nodes[i]!.computePath(kind, from, sizes[scale - 1], false));
          const target = scale + (kind === "up" ? -1 : kind === "down" ? 1 : 0);
          for (const [j, b] of takers.entries()) {
            const factor = gateValue === "binary" ? 1 : gateOf(b, path);
            gates[b * p + path] = factor;
            madds[b]! += cost.perPath[path]!;
            incoming[target]![b]!.push({ map: out[j]!, factor });
          }
        }
      }
      const reached = layer + 1 < layers ? Math.min(layer + 2, channels.length) : channels.length;
      return Array.from({ length: reached }, (_, s) =>
        incoming[s]!.map((terms) => sumOf(terms, [1, ...sizes[s]!, channels[s]!])).map((map) => tf.clone(map)),
      );
    });
    tf.dispose(previous);
  }
  const features = tidy(() => net.pyramid(maps.map(together))); // [B, H, W, C] a scale, joined
  tf.dispose(maps);
  return { features, gates, madds };
}

/** The routers' gates of one layer, `[B * K]` over its K paths, in one read. */
async function readGates(
  net: Supernet,
  nodes: readonly { readonly i: number; readonly scale: number }[],
  maps: readonly (readonly tf.Tensor4D[])[],
): Promise<Float32Array> {
  const gates = tf.tidy(() =>
    tf.concat(
      nodes.map(({ i, scale }) => net.nodes[i]!.router.forward(together(maps[scale]!))),
      1,
    ),
  );
  try {
    return await gates.data<"float32">();
  } finally {
    gates.dispose();
  }
}
