// The paper's training (§3, §4.1) in one loop that can be read from top to bottom: detection loss, global budget loss, path similarity
// loss, gradients, clipping, SGD with momentum. No trainer, no optimiser, no hooks.
import { createCostModel, encodeScales, globalBudgetLoss, scaleBudget } from "@caddet/budget";
import { type GroundTruth, variableGrads } from "@caddet/core";
import type { FcosHead } from "@caddet/heads";
import { pathSimilarityLoss } from "@caddet/path-sim";
import type { Supernet } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";

/** A batch as a loader of `@caddet/coco` gives it. */
export interface Batch {
  /** `[B * H * W * 3]`, normalised and padded. */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly truths: readonly GroundTruth[];
}

/** What is trained, and how. */
export interface PlainOptions {
  readonly supernet: Supernet;
  readonly head: FcosHead;
  readonly epochs: number;
  /** Batches of an epoch. */
  readonly batches: (epoch: number) => AsyncIterable<Batch>;
  readonly batchesPerEpoch: number;
  /** Rate at full height. The paper's is 0.01. */
  readonly rate: number;
  /** C0 (Eq. 3), a fraction of all MAdds. */
  readonly ratio: number;
  readonly onStep: (step: number, loss: number) => void;
}

const INTERVALS = [64, 150, 360]; // upper ends of the scales, pixels
const [LAMBDA1, LAMBDA2] = [1, 1]; // Eq. 9
const [MOMENTUM, DECAY, CLIP, WARMUP, WARMUP_RATIO] = [0.9, 1e-4, 35, 500, 0.001];
const MILESTONES = [8, 11]; // epochs at whose start the rate falls to a tenth

/** Trains a supernet and a head in place. */
export async function plainTrain({
  supernet,
  head,
  epochs,
  batches,
  batchesPerEpoch,
  rate,
  ratio,
  onStep,
}: PlainOptions) {
  const parameters = [...supernet.namedParameters().values(), ...head.namedParameters().values()];
  const variables = parameters.map(({ variable }) => variable);
  const momenta = variables.map(({ shape }) => tf.tidy(() => tf.variable(tf.zeros(shape), false)));
  const expectedCosts = scaleBudget({ ratio, reduce: "mean" });

  for (let epoch = 0; epoch < epochs; epoch++) {
    let batchIndex = 0;
    for await (const { images: pixels, shape, truths } of batches(epoch)) {
      const step = epoch * batchesPerEpoch + batchIndex++;
      const images = tf.tensor4d(pixels, [...shape]);
      const { value, grads } = variableGrads(() => {
        const { features, gates } = supernet.forward(images, { training: true });
        const terms = Object.values(head.loss(head.forward(features, { training: true }), truths).terms);
        if (epoch > 0) {
          const encodings = truths.map(({ boxes, crowd }) => encodeScales(boxes, { intervals: INTERVALS, crowd }));
          const costs = createCostModel(gates.nodeOfPath, supernet.routing.cost(shape[1], shape[2]));
          const netCost = tf.div(costs.expectedCost(gates.values), costs.total) as tf.Tensor1D; // C_net / C_tot
          costs.dispose();
          const expected = expectedCosts(truths.map((truth, b) => ({ scaleEncoding: encodings[b]!, truth })));
          terms.push(tf.mul(globalBudgetLoss(netCost, expected).loss, LAMBDA1));
          terms.push(tf.mul(pathSimilarityLoss({ gates: gates.values, encodings }), LAMBDA2));
        }
        return tf.addN(terms) as tf.Scalar;
      }, variables);

      const falls = MILESTONES.filter((milestone) => epoch >= milestone).length;
      const warmth = step < WARMUP ? 1 - (1 - step / WARMUP) * (1 - WARMUP_RATIO) : 1;
      const now = rate * 0.1 ** falls * warmth;
      tf.tidy(() => {
        const norm = tf.sqrt(tf.addN(variables.map(({ name }) => tf.sum(tf.square(grads[name]!)))));
        const clip = tf.minimum(1, tf.div(CLIP, tf.add(norm, 1e-6)));
        for (const [i, { variable, kind }] of parameters.entries()) {
          const decay = kind === "weight" ? DECAY : 0;
          const g = tf.add(tf.mul(grads[variable.name]!, clip), tf.mul(variable, decay));
          momenta[i]!.assign(tf.add(tf.mul(momenta[i]!, MOMENTUM), g));
          variable.assign(tf.sub(variable, tf.mul(momenta[i]!, kind === "bias" ? 2 * now : now)));
        }
      });
      onStep(step + 1, (await value.data())[0]!);
      tf.dispose([images, value, grads as tf.TensorContainer]);
    }
  }
  tf.dispose(momenta);
}
