// The dense executor: every node runs, gates multiply what its paths carry (paper §3.1). Differentiable and batched; the meaning that
// routed.ts must reproduce.
import { type BackboneOutput, checkpointed, gatedSum, type Module, tidy } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import type { RoutingNode } from "./routing-space";
import type { Supernet } from "./supernet";

/** `[width, K]`: column k has its only 1 in row `rows[k]` (tf.oneHot refuses width 1). */
function selection(rows: readonly number[], width: number): tf.Tensor2D {
  const values = new Float32Array(width * rows.length);
  for (const [k, row] of rows.entries()) values[row * rows.length + k] = 1;
  return tf.tensor2d(values, [width, rows.length]);
}

/**
 * What a node's paths are multiplied by, and whether its input is passed on. A node whose gates are all below the threshold is dropped:
 * its keep path then carries the input instead of the output.
 *
 * @returns `[B, K + 1]`: the K gates, the one of keep set to 0 in a dropped node, and 1 where the node is dropped, else 0
 */
function pathFactors(gates: tf.Tensor2D, threshold: number, keep: number): tf.Tensor2D {
  const run = tf.customGrad((...args) => {
    const [g, save] = args as unknown as [tf.Tensor2D, tf.GradSaveFunc];
    const [, k] = g.shape;
    const dropped = tf.cast(tf.less(tf.max(g, 1, true), threshold), "float32"); // [B, 1]
    const isKeep = tf.transpose(selection([keep], k)); // [1, K]
    const runs = tf.sub(1, tf.mul(dropped, isKeep)); // [B, K]
    save([runs]);
    return {
      value: tf.concat([tf.mul(g, runs), dropped], 1),
      gradFunc: (dy, [saved]) => tf.mul(tf.slice(dy as tf.Tensor2D, [0, 0], [-1, k]), saved!),
    };
  });
  return run(gates) as tf.Tensor2D;
}

/** One term of what a node receives: a map and the column of its factor. */
interface Incoming {
  readonly map: tf.Tensor4D;
  readonly column: number;
}

interface IndexedNode extends RoutingNode {
  readonly index: number;
}

// Blocks and paths of one layer. `maps` is by scale, `factors` [B, K] has a column a path and one more a node, in their order.
function runLayer(
  net: Supernet,
  nodes: readonly IndexedNode[],
  maps: readonly tf.Tensor4D[],
  factors: tf.Tensor2D,
  training: boolean,
): tf.Tensor4D[] {
  const incoming = net.space.shape.channels.map((): Incoming[] => []); // by the scale that receives
  let column = 0;
  for (const { index, scale, paths } of nodes) {
    const x = maps[scale]!;
    const y = net.nodes[index]!.computeBlock(x, training);
    for (const path of paths) {
      const { kind } = net.space.paths[path]!;
      const target = scale + (kind === "up" ? -1 : kind === "down" ? 1 : 0);
      const finer = maps[scale - 1];
      const upSize = finer && ([finer.shape[1], finer.shape[2]] as const);
      const map = net.nodes[index]!.computePath(kind, y, upSize, training);
      incoming[target]!.push({ map, column: column++ });
    }
    incoming[scale]!.push({ map: x, column: column++ });
  }
  return incoming
    .filter((terms) => terms.length > 0)
    .map((terms) => {
      const columns = terms.map((t) => t.column);
      return gatedSum(
        terms.map((t) => t.map),
        tf.matMul(factors, selection(columns, column)),
      );
    });
}

const variablesOf = (modules: readonly Module[]) =>
  modules.flatMap((m) => [...m.namedParameters().values()].map(({ variable }) => variable));

/** What {@link forwardDense} is told. */
export interface DenseOptions {
  /** Batch statistics in BN. */
  readonly training: boolean;
  /** `[B or 1, P]`: gates in place of the routers'. */
  readonly gates?: tf.Tensor2D | undefined;
  /** Keep the maps between the layers only, and run stem and layers again for their gradients. Routers run once. */
  readonly checkpoint: boolean;
}

/**
 * Runs a whole supernet.
 *
 * @param net the supernet
 * @param images `[B, H, W, 3]`
 * @param options training, gates, checkpointing
 * @returns pyramid and gates `[B, P]`; everything else is freed
 */
export function forwardDense(
  net: Supernet,
  images: tf.Tensor4D,
  { training, gates: forced, checkpoint }: DenseOptions,
): Required<BackboneOutput> {
  const { space, threshold } = net;
  const batch = images.shape[0];
  const gatesOf = ({ index, paths }: IndexedNode, x: tf.Tensor4D): tf.Tensor2D => {
    if (!forced) return net.nodes[index]!.router.forward(x, { training });
    const own = tf.slice(forced, [0, paths[0]!], [-1, paths.length]);
    return own.shape[0] === batch ? own : tf.tile(own, [batch, 1]);
  };
  const part = <Y extends tf.Tensor>(
    run: (inputs: readonly tf.Tensor[]) => readonly Y[],
    inputs: readonly tf.Tensor[],
    modules: readonly Module[],
  ) => (checkpoint ? checkpointed(run, inputs, variablesOf(modules)) : run(inputs));

  return tidy(() => {
    const allGates: tf.Tensor2D[] = [];
    let maps = part(([x]) => [net.stem.apply(x as tf.Tensor4D, training)], [images], [net.stem]); // by scale
    for (let layer = 0; layer < space.shape.layers; layer++) {
      const nodes = space.nodes.map((node, index) => ({ ...node, index })).filter((node) => node.layer === layer);
      // Outside of the part that may run twice: a router may draw random numbers.
      const factors = nodes.map((node) => {
        const gates = gatesOf(node, maps[node.scale]!);
        allGates.push(gates);
        const keep = node.paths.findIndex((path) => space.paths[path]!.kind === "keep");
        return pathFactors(gates, threshold, keep);
      });
      const layerFactors = factors.length === 1 ? factors[0]! : tf.concat(factors, 1);
      maps = part(
        ([f, ...xs]) => runLayer(net, nodes, xs as tf.Tensor4D[], f as tf.Tensor2D, training),
        [layerFactors, ...maps],
        nodes.flatMap(({ index }) => net.nodes[index]!.computing),
      );
    }
    return {
      features: net.pyramid(maps),
      gates: { values: tf.concat(allGates, 1), nodeOfPath: space.nodeOfPath },
    };
  });
}
