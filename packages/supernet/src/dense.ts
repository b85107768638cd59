// The dense executor: every node runs, gates multiply what its paths carry (paper §3.1). Differentiable and batched; the meaning that
// routed.ts must reproduce.
import { type BackboneOutput, gatedSum, tidy } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
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

/**
 * Runs a whole supernet.
 *
 * @param net the supernet
 * @param images `[B, H, W, 3]`
 * @param training batch statistics in BN
 * @param forced `[B or 1, P]`: gates in place of the routers'
 * @returns pyramid and gates `[B, P]`; everything else is freed
 */
export function forwardDense(net: Supernet, images: tf.Tensor4D, training: boolean, forced?: tf.Tensor2D) {
  return tidy((): Required<BackboneOutput> => {
    const { space, threshold } = net;
    const batch = images.shape[0];
    const gatesOf = (i: number, x: tf.Tensor4D): tf.Tensor2D => {
      if (!forced) return net.nodes[i]!.router.forward(x, { training });
      const { paths } = space.nodes[i]!;
      const own = tf.slice(forced, [0, paths[0]!], [-1, paths.length]);
      return own.shape[0] === batch ? own : tf.tile(own, [batch, 1]);
    };
    const allGates: tf.Tensor2D[] = [];
    let maps: tf.Tensor4D[] = [net.stem.apply(images, training)]; // by scale
    for (let layer = 0; layer < space.shape.layers; layer++) {
      const factors: tf.Tensor2D[] = [];
      const incoming = net.space.shape.channels.map((): Incoming[] => []); // by the scale that receives
      let column = 0;
      for (const [i, node] of space.nodes.entries()) {
        if (node.layer !== layer) continue;
        const x = maps[node.scale]!;
        const gates = gatesOf(i, x);
        allGates.push(gates);
        const y = net.nodes[i]!.computeBlock(x, training);
        const kinds = node.paths.map((p) => space.paths[p]!.kind);
        factors.push(pathFactors(gates, threshold, kinds.indexOf("keep")));
        for (const kind of kinds) {
          const target = node.scale + (kind === "up" ? -1 : kind === "down" ? 1 : 0);
          const finer = maps[node.scale - 1];
          const upSize = finer && ([finer.shape[1], finer.shape[2]] as const);
          incoming[target]!.push({
            map: net.nodes[i]!.computePath(kind, y, upSize, training),
            column: column++,
          });
        }
        incoming[node.scale]!.push({ map: x, column: column++ });
      }
      const layerFactors = factors.length === 1 ? factors[0]! : tf.concat(factors, 1);
      maps = incoming
        .filter((terms) => terms.length > 0)
        .map((terms) =>
          gatedSum(
            terms.map((t) => t.map),
            tf.matMul(
              layerFactors,
              selection(
                terms.map((t) => t.column),
                column,
              ),
            ),
          ),
        );
    }
    return {
      features: net.pyramid(maps),
      gates: { values: tf.concat(allGates, 1), nodeOfPath: space.nodeOfPath },
    };
  });
}
