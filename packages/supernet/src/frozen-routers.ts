// The paper's routers of one layer, run together: a launch each for pooling and squeezing a node's map, then one product for all of
// their logits. Routers of other kinds run as they are (frozen.ts).
import { Module } from "@caddet/core";
import type { Gate } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import { FrozenConv } from "./frozen-layers";
import { poolToQuarters } from "./kernel-calls";
import type { SupernetNode } from "./node";
import type { PackedMaps } from "./packed-maps";

/** Cells a side that a router pools to. */
const BINS = 2;

/** The parameters of a router of `createPoolRouter`. */
function parametersOf({ router }: SupernetNode) {
  const state = router.stateDict();
  return {
    squeeze: state.get("squeeze.weight") as tf.Variable<tf.Rank.R4>, // [1, 1, C, hidden]
    squeezeBias: state.get("squeeze.bias") as tf.Variable<tf.Rank.R1>,
    logits: state.get("gate.weight") as tf.Variable<tf.Rank.R2>, // [hidden, K]
    logitsBias: state.get("gate.bias") as tf.Variable<tf.Rank.R1>,
  };
}

/**
 * The logits of a layer as one 2 × 2 convolution on the squeezed cells of all nodes: it averages the cells and multiplies by a matrix
 * in whose blocks on the diagonal the nodes' own stand. `[2, 2, Σ hidden, Σ K]`
 */
function jointLogits(weights: readonly tf.Tensor2D[]): tf.Tensor4D {
  const columns = weights.reduce((n, w) => n + w.shape[1], 0);
  let before = 0;
  const rows = weights.map((w) => {
    const [left, k] = [before, w.shape[1]];
    before += k;
    return tf.pad2d(w, [
      [0, 0],
      [left, columns - left - k],
    ]);
  });
  const matrix = tf.div(tf.concat(rows, 0), BINS * BINS); // [Σ hidden, Σ K]
  return tf.tile(tf.reshape(matrix, [1, 1, matrix.shape[0]!, columns]), [BINS, BINS, 1, 1]);
}

/** The routers of one layer. */
export class FrozenRouters extends Module {
  readonly #squeezes: readonly FrozenConv[];
  /** What a map of zeros squeezes to, `[1, 2, 2, hidden]` a node. */
  readonly #idle: readonly tf.Variable<tf.Rank.R4>[];
  readonly #logits: FrozenConv;
  readonly #gate: Gate;

  constructor(nodes: readonly SupernetNode[], gate: Gate) {
    super();
    const parameters = nodes.map(parametersOf);
    this.#squeezes = parameters.map(({ squeeze, squeezeBias }, i) =>
      this.child(`squeeze.${i}`, new FrozenConv(tf.clone(squeeze), tf.clone(squeezeBias))),
    );
    this.#idle = parameters.map(({ squeezeBias }, i) => {
      const cell = tf.tidy(() => tf.reshape(tf.relu(squeezeBias), [1, 1, 1, squeezeBias.size]));
      const cells = tf.tile(cell, [1, BINS, BINS, 1]) as tf.Tensor4D;
      cell.dispose();
      return this.buffer(`idle.${i}`, cells);
    });
    const weight = tf.tidy(() => jointLogits(parameters.map(({ logits }) => logits)));
    const bias = tf.tidy(() =>
      tf.concat(
        parameters.map(({ logitsBias }) => logitsBias),
        0,
      ),
    );
    this.#logits = this.child("logits", new FrozenConv(weight, bias));
    this.#gate = gate;
  }

  /**
   * The gates of the layer.
   *
   * @param inputs what each node receives; undefined, and images that are not in it, stand for zeros
   * @param batch number of images
   * @returns `[B, K]`
   */
  apply(inputs: readonly (PackedMaps | undefined)[], batch: number): tf.Tensor2D {
    return tf.tidy(() => {
      const hidden = inputs.map((x, i) => this.#hiddenOf(i, x, batch));
      const joint = hidden.length === 1 ? hidden[0]! : tf.concat(hidden, 3); // [B, 2, 2, Σ hidden]
      const logits = this.#logits.applyUnpadded(joint); // [B, 1, 1, K]
      return this.#gate(tf.reshape(logits, [batch, logits.shape[3]]), { training: false });
    });
  }

  // [B, 2, 2, hidden]
  #hiddenOf(node: number, x: PackedMaps | undefined, batch: number): tf.Tensor4D {
    const idle = this.#idle[node]!;
    if (!x) return batch === 1 ? idle : tf.tile(idle, [batch, 1, 1, 1]);
    const squeezed = this.#squeezes[node]!.apply(poolToQuarters(x.map), "relu"); // [n, 2, 2, hidden]
    if (x.images.length === batch && x.images.every((b, row) => b === row)) return squeezed;
    // Row 0 stands for the images without content.
    const rows = Array.from({ length: batch }, (_, b) => x.images.indexOf(b) + 1);
    return tf.gather(tf.concat([idle, squeezed], 0), tf.tensor1d(rows, "int32"));
  }
}
