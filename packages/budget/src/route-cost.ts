// The cost of a routed network as plain numbers: its layout, its total, and what runs at inference. No tensors; the
// differentiable expectation is in cost-model.ts. A `RouteCost` may be in MAdds or in any other unit; results are in the same.
import { ConfigError, type RouteCost, ShapeError } from "@caddet/core";

const validCost = (c: number) => Number.isFinite(c) && c >= 0;

/**
 * Checks that costs and paths belong together.
 *
 * @param nodeOfPath `[P]`, the node that each path leaves
 * @param cost n nodes and P paths
 * @throws ShapeError when lengths differ or a node has no path; ConfigError when a cost is negative or not finite
 */
export function checkRouteCost(nodeOfPath: ArrayLike<number>, { node, path }: RouteCost): void {
  const [n, p] = [node.length, nodeOfPath.length];
  if (p === 0 || path.length !== p) {
    throw new ShapeError(`Route costs need one number for each of ${p} paths (at least 1), got ${path.length}.`);
  }
  const left = new Set(Array.from({ length: n }, (_, i) => i));
  for (let k = 0; k < p; k++) {
    const owner = nodeOfPath[k]!;
    if (!Number.isInteger(owner) || owner < 0 || owner >= n) {
      throw new ShapeError(`Path ${k} leaves node ${owner}, but costs are given for nodes 0..${n - 1}.`, {
        path: k,
        owner,
      });
    }
    left.delete(owner);
  }
  const [lonely] = left;
  if (lonely !== undefined) {
    throw new ShapeError(
      `Node ${lonely} has no path. A block that always runs is no part of the routed cost; leave it out.`,
    );
  }
  const wrong = [...Array.from(node), ...Array.from(path)].find((c) => !validCost(c));
  if (wrong !== undefined)
    throw new ConfigError(`A cost must be finite and at least 0, got ${wrong}.`, { cost: wrong });
}

/**
 * The cost with all paths open, C_tot.
 *
 * @param cost blocks and paths
 * @returns the sum of both, in their unit
 * @example totalCost({ node: [10, 20], path: [1, 2, 3] }) // 36
 */
export function totalCost({ node, path }: RouteCost): number {
  let total = 0;
  for (let i = 0; i < node.length; i++) total += node[i]!;
  for (let k = 0; k < path.length; k++) total += path[k]!;
  return total;
}

/**
 * The cost of what runs at inference: every open path, and the block of every node with an open path.
 *
 * @param gates `[B * P]`, gate values, image by image
 * @param nodeOfPath `[P]`, the node that each path leaves
 * @param cost blocks and paths
 * @param tau a path is open where its gate is at least this, default 1e-4
 * @returns `[B]`, in the unit of `cost`
 * @throws ShapeError when lengths do not fit; ConfigError when a cost is negative or not finite
 * @example executedCost(await gates.values.data(), gates.nodeOfPath, { node: [10], path: [1, 2] })
 */
export function executedCost(
  gates: ArrayLike<number>,
  nodeOfPath: ArrayLike<number>,
  cost: RouteCost,
  tau = 1e-4,
): Float64Array {
  checkRouteCost(nodeOfPath, cost);
  const p = nodeOfPath.length;
  const images = gates.length / p;
  if (!Number.isInteger(images)) {
    throw new ShapeError(`executedCost needs gates [B * ${p}] for ${p} paths, got ${gates.length} numbers.`);
  }
  const out = new Float64Array(images);
  const lastImage = new Int32Array(cost.node.length).fill(-1);
  for (let b = 0; b < images; b++) {
    for (let k = 0; k < p; k++) {
      if (!(gates[b * p + k]! >= tau)) continue;
      const owner = nodeOfPath[k]!;
      out[b]! += cost.path[k]! + (lastImage[owner] === b ? 0 : cost.node[owner]!);
      lastImage[owner] = b;
    }
  }
  return out;
}
