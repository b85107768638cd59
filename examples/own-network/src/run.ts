// Trains the classifier twice on the same digits, once with every way open and once with routers that learn to close them, and compares
// accuracy and executed cost on digits that neither has seen.

import { globalBudgetLoss } from "@caddet/budget";
import { pathSimilarityLoss } from "@caddet/path-sim";
import { createRandom } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import { type Digit, drawDigits, SIDE, TRAITS } from "./digits";
import { createNetwork, type Network } from "./network";

/** How long to train, and on what. */
export interface RunOptions {
  /** Of digits, weights and order. */
  readonly seed: number;
  /** Of 64 digits each. */
  readonly steps: number;
  /** Digits to train on, at least 64. */
  readonly train: number;
  /** Held-out digits. */
  readonly val: number;
  /** λ1. Default 10. */
  readonly budgetWeight?: number;
  /** λ2. Default 0.02: Eq. 7 grows with the batch. */
  readonly similarityWeight?: number;
}

/** How a network does on held-out digits. */
export interface Score {
  /** Share of digits that are right. */
  readonly accuracy: number;
  /** Mean executed MAdds of bottlenecks and ways for one digit. */
  readonly madds: number;
  /** The same by the number of traits, 0 to 3. */
  readonly maddsByTraits: readonly number[];
}

/** What came of it. */
export interface RunResult {
  readonly open: Score;
  readonly dynamic: Score;
  /** MAdds with every way open. */
  readonly total: number;
}

const BATCH = 64;
const RATE = 0.002;

/**
 * The budget of a digit as a fraction of all MAdds: 5 % for a clean one, 15 % more for each trait.
 *
 * @param digit the image
 * @returns the fraction
 */
export function budgetOf({ traits }: Digit): number {
  return 0.05 + 0.15 * traits.reduce((a, b) => a + b, 0);
}

/** The images of digits, `[B, 144]`. */
export function toImages(digits: readonly Digit[]): tf.Tensor2D {
  const values = new Float32Array(digits.length * SIDE * SIDE);
  for (const [i, { pixels }] of digits.entries()) values.set(pixels, i * SIDE * SIDE);
  return tf.tensor2d(values, [digits.length, SIDE * SIDE]);
}

function dynamicLoss(
  network: Network,
  { gates }: { readonly gates: tf.Tensor2D },
  digits: readonly Digit[],
  { budgetWeight = 10, similarityWeight = 0.02 }: RunOptions,
): tf.Scalar {
  const { costs } = network;
  const netCost = tf.div(costs.expectedCost(gates), costs.total) as tf.Tensor1D; // [B]
  const { loss: global } = globalBudgetLoss(netCost, digits.map(budgetOf));
  const local = pathSimilarityLoss({ gates, encodings: digits.map(({ traits }) => traits) });
  return tf.add(tf.mul(global, budgetWeight), tf.mul(local, similarityWeight));
}

function trainNetwork(network: Network, digits: readonly Digit[], options: RunOptions, open: boolean): void {
  const optimizer = tf.train.adam(RATE);
  const random = createRandom(options.seed + 2);
  for (let step = 0; step < options.steps; step++) {
    const batch = Array.from({ length: BATCH }, () => digits[random.int(digits.length)]!);
    const images = toImages(batch);
    const labels = tf.tidy(() =>
      tf.oneHot(
        tf.tensor1d(
          batch.map(({ label }) => label),
          "int32",
        ),
        10,
      ),
    );
    const objective = () => {
      const pass = network.forward(images, { open });
      const loss = tf.losses.softmaxCrossEntropy(labels, pass.logits) as tf.Scalar;
      return open ? loss : tf.add<tf.Scalar>(loss, dynamicLoss(network, pass, batch, options));
    };
    optimizer.minimize(objective, false, network.variables());
    tf.dispose([images, labels]);
  }
  optimizer.dispose();
}

function scoreOf(digits: readonly Digit[], logits: ArrayLike<number>, madds: ArrayLike<number>): Score {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const right = digits.map(({ label }, i) => {
    const own = Array.from({ length: 10 }, (_, c) => logits[10 * i + c]!);
    return own.indexOf(Math.max(...own)) === label ? 1 : 0;
  });
  const cost = (traits: number) =>
    mean(digits.flatMap((digit, i) => (digit.traits.reduce((a, b) => a + b, 0) === traits ? [madds[i]!] : [])));
  return {
    accuracy: mean(right),
    madds: mean(digits.map((_, i) => madds[i]!)),
    maddsByTraits: Array.from({ length: TRAITS.length + 1 }, (_, traits) => cost(traits)),
  };
}

/**
 * Trains and compares.
 *
 * @param options seed, steps, digits, weights
 * @returns both networks' scores
 */
export async function runOwnNetwork(options: RunOptions): Promise<RunResult> {
  const digits = drawDigits(options.train, createRandom(options.seed));
  const held = drawDigits(options.val, createRandom(options.seed + 1));
  const images = toImages(held);

  const always = createNetwork(createRandom(options.seed));
  trainNetwork(always, digits, options, true);
  const { total } = always.costs;
  const { logits, gates } = always.forward(images, { open: true });
  const open = scoreOf(held, await logits.data(), new Float64Array(held.length).fill(total));
  tf.dispose([logits, gates]);
  always.dispose();

  const network = createNetwork(createRandom(options.seed));
  trainNetwork(network, digits, options, false);
  const routed = await network.forwardRouted(images);
  const dynamic = scoreOf(held, routed.logits, routed.madds);
  network.dispose();
  images.dispose();
  return { open, dynamic, total };
}
