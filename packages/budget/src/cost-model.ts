// The expected cost of a route, differentiable in its soft gates (Eq. 1 and 2). One operation with a gradient of its own: the
// gradient of a gather needs UnsortedSegmentSum, which the wasm backend lacks, and a gate's gradient is known in closed form.
import { type RouteCost, type RouteGates, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { checkRouteCost, executedCost, totalCost } from "./route-cost";

/** The costs of one routing space, prepared for many batches. */
export interface CostModel {
  /** C_tot: the cost with all paths open, in the unit of the costs. */
  readonly total: number;
  /** Maps gates `[B, P]` to the expected cost `[B]`, differentiable. */
  expectedCost(gates: tf.Tensor2D): tf.Tensor1D;
  /** Maps gate values `[B * P]` to the cost of what runs `[B]`; see {@link executedCost}. */
  executedCost(gates: ArrayLike<number>, tau?: number): Float64Array;
  /** Frees the constants. */
  dispose(): void;
}

// Row i holds the paths of node i; shorter rows repeat their first path, which leaves the maximum as it is. [n * widest]
function pathsByNode(nodeOfPath: ArrayLike<number>, n: number): Int32Array {
  const rows = Array.from({ length: n }, (): number[] => []);
  for (let k = 0; k < nodeOfPath.length; k++) rows[nodeOfPath[k]!]!.push(k);
  const widest = rows.reduce((most, row) => Math.max(most, row.length), 0);
  return Int32Array.from(rows.flatMap((row) => Array.from({ length: widest }, (_, i) => row[i] ?? row[0]!)));
}

/**
 * Prepares the costs of a routing space.
 *
 * @param nodeOfPath `[P]`, the node that each path leaves
 * @param cost n blocks and P paths
 * @returns a model that holds five small tensors until `dispose()`, inside `tf.tidy` as well
 * @throws ShapeError when lengths do not fit; ConfigError when a cost is negative or not finite
 * @example const model = createCostModel([0, 0, 1], { node: [10, 20], path: [1, 2, 3] });
 */
export function createCostModel(nodeOfPath: ArrayLike<number>, cost: RouteCost): CostModel {
  checkRouteCost(nodeOfPath, cost);
  const [n, p] = [cost.node.length, nodeOfPath.length];
  const owners = Int32Array.from({ length: p }, (_, k) => nodeOfPath[k]!);
  const slots = pathsByNode(nodeOfPath, n);
  const widest = slots.length / n;
  const slotPath = tf.keep(tf.tensor1d(slots, "int32")); // [n * widest]
  const owner = tf.keep(tf.tensor1d(owners, "int32")); // [P]
  const nodeCost = tf.keep(tf.tensor2d(Float32Array.from(cost.node), [1, n]));
  const pathCost = tf.keep(tf.tensor2d(Float32Array.from(cost.path), [1, p]));
  const ownerCost = tf.keep(
    tf.tensor2d(
      Float32Array.from(owners, (i) => cost.node[i]!),
      [1, p],
    ),
  );

  const expectation = tf.customGrad((gates, save) => {
    const g = gates as tf.Tensor2D;
    const byNode = tf.reshape(tf.gather(g, slotPath, 1), [g.shape[0], n, widest]);
    const open = tf.max(byNode, 2) as tf.Tensor2D; // [B, n]
    (save as tf.GradSaveFunc)([g, open, owner, ownerCost, pathCost]);
    const value = tf.add(tf.sum(tf.mul(open, nodeCost), 1), tf.sum(tf.mul(g, pathCost), 1)); // [B]
    return {
      value,
      gradFunc: (dy, saved) => {
        const [gate, most, node, block, path] = saved as unknown as [
          tf.Tensor2D,
          tf.Tensor2D,
          tf.Tensor1D,
          tf.Tensor2D,
          tf.Tensor2D,
        ];
        const isMax = tf.cast(tf.equal(gate, tf.gather(most, node, 1)), "float32"); // [B, P]
        const slope = tf.add(tf.mul(isMax, block), path);
        return tf.mul(tf.reshape(dy, [-1, 1]), slope);
      },
    };
  });

  return {
    total: totalCost(cost),
    expectedCost: (gates) => {
      if (gates.rank !== 2 || gates.shape[1] !== p) {
        throw new ShapeError(`expectedCost needs gates [B, ${p}] for ${p} paths, got [${gates.shape}].`);
      }
      return expectation(gates) as tf.Tensor1D;
    },
    executedCost: (gates, tau) => executedCost(gates, owners, cost, tau),
    dispose: () => {
      for (const t of [slotPath, owner, nodeCost, pathCost, ownerCost]) t.dispose();
    },
  };
}

/**
 * The expected cost of each image's route: `Σ_i max(G_i) · c_node,i + Σ_k g_k · c_path,k` (Eq. 1 and 2).
 *
 * Where several gates of a node share the maximum, each gets the block's full gradient, as with `tf.max`. For many batches
 * of one routing space, {@link createCostModel} saves the preparation.
 *
 * @param gates soft gates `[B, P]` in [0, 1] and the node of each path
 * @param cost n blocks and P paths
 * @returns `[B]`, in the unit of `cost`
 * @throws ShapeError when lengths do not fit; ConfigError when a cost is negative or not finite
 * @example expectedCost({ values, nodeOfPath: [0, 0, 1] }, { node: [10, 20], path: [1, 2, 3] })
 */
export function expectedCost({ values, nodeOfPath }: RouteGates, cost: RouteCost): tf.Tensor1D {
  const model = createCostModel(nodeOfPath, cost);
  try {
    return model.expectedCost(values);
  } finally {
    model.dispose();
  }
}
