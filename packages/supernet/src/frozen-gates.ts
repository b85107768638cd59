// How the gates of one layer multiply its paths in the dense pass of a frozen supernet, worked out for all nodes at once and on the
// device. The differentiable rule, node by node, is in dense.ts; both mean the same.
import { Module } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import type { LayerSteps } from "./layer-plan";

/** `[rows, columns]` with `value` where a pair says so. */
function sparse(rows: number, columns: number, pairs: readonly (readonly [number, number])[], value = 1): tf.Tensor2D {
  const values = new Float32Array(rows * columns);
  for (const [row, column] of pairs) values[row * columns + column] = value;
  return tf.tensor2d(values, [rows, columns]);
}

/** One term of what a scale receives: a path of a node, or the input of the node at that scale, passed on when it is dropped. */
export interface DenseTerm {
  /** Position of the node in its layer. */
  readonly node: number;
  /** Position of the path in the node, or undefined for the node's input. */
  readonly path?: number;
}

/** Gates to factors, for one layer. */
export class FrozenGates extends Module {
  /** By the scale that receives: what it adds up. */
  readonly terms: readonly (readonly DenseTerm[])[];
  readonly #threshold: number;
  /** `[K, N]`: 1 where the path leaves the node. */
  readonly #nodeOfPath: tf.Variable<tf.Rank.R2>;
  /** `[N, K]`: -1 where the path is the node's keep. */
  readonly #keepOfNode: tf.Variable<tf.Rank.R2>;
  /** `[K]` of ones. */
  readonly #ones: tf.Variable<tf.Rank.R1>;
  /** `[K + N, T]`: gates and dropped nodes to the T terms. */
  readonly #selection: tf.Variable<tf.Rank.R2>;

  constructor({ nodes, firstPath, pathCount, reached }: LayerSteps, threshold: number) {
    super();
    const owned = nodes.flatMap(({ paths }, n) => paths.map(({ path, kind }) => ({ k: path - firstPath, kind, n })));
    const n = nodes.length;
    this.#nodeOfPath = this.buffer(
      "nodeOfPath",
      sparse(
        pathCount,
        n,
        owned.map((p) => [p.k, p.n]),
      ),
    );
    const keeps = owned.filter(({ kind }) => kind === "keep").map((p) => [p.n, p.k] as const);
    this.#keepOfNode = this.buffer("keepOfNode", sparse(n, pathCount, keeps, -1));
    this.#ones = this.buffer("ones", tf.ones<tf.Rank.R1>([pathCount]));
    this.terms = Array.from({ length: reached }, (_, scale) =>
      nodes.flatMap((node, i): DenseTerm[] => [
        ...node.paths.flatMap(({ target }, path) => (target === scale ? [{ node: i, path }] : [])),
        ...(node.scale === scale ? [{ node: i }] : []),
      ]),
    );
    const rows = this.terms.flat().map(({ node, path }) => {
      return path === undefined ? pathCount + node : nodes[node]!.paths[path]!.path - firstPath;
    });
    this.#selection = this.buffer(
      "selection",
      sparse(
        pathCount + n,
        rows.length,
        rows.map((row, t) => [row, t]),
      ),
    );
    this.#threshold = threshold;
  }

  /**
   * What each term of each scale is multiplied by.
   *
   * @param gates `[B, K]`
   * @returns `[B, terms]` a scale
   */
  factors(gates: tf.Tensor2D): tf.Tensor2D[] {
    return tf.tidy(() => {
      const open = tf.cast(tf.greaterEqual(gates, this.#threshold), "float32"); // [B, K]
      const dropped = tf.cast(tf.less(tf.matMul(open, this.#nodeOfPath), 0.5), "float32"); // [B, N]
      const runs = tf.fused.matMul({ a: dropped, b: this.#keepOfNode, bias: this.#ones }); // [B, K]
      const all: tf.Tensor2D = tf.matMul(tf.concat([tf.mul(gates, runs), dropped], 1) as tf.Tensor2D, this.#selection); // [B, T]
      if (this.terms.length === 1) return [all];
      const widths = this.terms.map((terms) => terms.length);
      return tf.split<tf.Tensor2D>(all, widths, 1);
    });
  }
}
