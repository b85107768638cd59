// A dynamic classifier: a dense stem, blocks with a narrow and a wide way around a shortcut, and a dense output. A router of
// @caddet/router opens and closes the ways of each block for each image; with both closed, the image skips the block. Nothing here is
// a detector: the cost table below is all that @caddet/budget has to know of the network.
import { type CostModel, createCostModel } from "@caddet/budget";
import { createPoolRouter, type Random } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import { SIDE } from "./digits";

const PIXELS = SIDE * SIDE;
const CLASSES = 10;
const WIDTH = 48;
const BOTTLENECK = 16;
const HIDDEN = 96;
const BLOCKS = 4;
const WAYS = 2;

/** Gates below are closed. */
export const THRESHOLD = 1e-4;

/** `[P]`: the block of each way, narrow before wide. */
export const NODE_OF_PATH: readonly number[] = Array.from({ length: BLOCKS * WAYS }, (_, k) => Math.floor(k / WAYS));

/** MAdds of each block's bottleneck and of each way, one image. */
export const COST = {
  node: new Array<number>(BLOCKS).fill(WIDTH * BOTTLENECK),
  path: NODE_OF_PATH.map((_, k) => (k % WAYS === 0 ? BOTTLENECK * WIDTH : BOTTLENECK * HIDDEN + HIDDEN * WIDTH)),
} as const;

/** What a pass gives. */
export interface Pass {
  /** `[B, 10]`. */
  readonly logits: tf.Tensor2D;
  /** `[B, P]`. */
  readonly gates: tf.Tensor2D;
}

/** What running only the open ways gives. */
export interface RoutedPass {
  /** `[B * 10]`. */
  readonly logits: Float32Array;
  /** `[B * P]`. */
  readonly gates: Float32Array;
  /** `[B]`: MAdds of the bottlenecks and ways that ran for each image, by the cost table. */
  readonly madds: Float64Array;
}

/** The classifier. It owns its tensors until `dispose()`. */
export interface Network {
  readonly costs: CostModel;
  /** What an optimiser moves. */
  variables(): tf.Variable[];
  /** All ways, times their gates; differentiable. Images `[B, 144]`. `open` takes 1 for every gate. */
  forward(images: tf.Tensor2D, options?: { readonly open?: boolean }): Pass;
  /** Only what the gates ask for. */
  forwardRouted(images: tf.Tensor2D): Promise<RoutedPass>;
  dispose(): void;
}

function dense(inputs: number, outputs: number, random: Random) {
  const deviation = Math.sqrt(2 / inputs);
  const values = Float32Array.from({ length: inputs * outputs }, () => deviation * random.normal());
  const [weight, bias] = tf.tidy(() => [
    tf.variable(tf.tensor2d(values, [inputs, outputs])),
    tf.variable(tf.zeros<tf.Rank.R1>([outputs])),
  ]) as [tf.Variable<tf.Rank.R2>, tf.Variable<tf.Rank.R1>];
  return {
    variables: [weight, bias] as tf.Variable[],
    apply: (x: tf.Tensor2D) => tf.add(tf.matMul(x, weight), bias) as tf.Tensor2D,
  };
}

function block(random: Random) {
  const bottleneck = dense(WIDTH, BOTTLENECK, random);
  const narrow = dense(BOTTLENECK, WIDTH, random);
  const hidden = dense(BOTTLENECK, HIDDEN, random);
  const wide = dense(HIDDEN, WIDTH, random);
  const router = createPoolRouter({ channels: WIDTH, paths: WAYS, pool: 1, random });
  const layers = [bottleneck, narrow, hidden, wide];
  return {
    variables: [
      ...layers.flatMap((l) => l.variables),
      ...[...router.namedParameters().values()].map((p) => p.variable),
    ],
    gates: (x: tf.Tensor2D) => tf.tidy(() => router.forward(tf.reshape(x, [x.shape[0], 1, 1, WIDTH]))), // [B, 2]
    squeeze: (x: tf.Tensor2D) => tf.relu(bottleneck.apply(x)),
    ways: [(z: tf.Tensor2D) => narrow.apply(z), (z: tf.Tensor2D) => wide.apply(tf.relu(hidden.apply(z)))] as const,
  };
}

type Block = ReturnType<typeof block>;

// Adds to x what the open ways make of the rows that they are open for.
function runOpen({ squeeze, ways }: Block, x: tf.Tensor2D, gates: Float32Array): tf.Tensor2D {
  const images = [...Array(x.shape[0]).keys()];
  const isOpen = (image: number, way: number) => gates[image * WAYS + way]! >= THRESHOLD;
  const active = images.filter((image) => isOpen(image, 0) || isOpen(image, 1));
  if (active.length === 0) return tf.clone(x);
  const squeezed = squeeze(tf.gather(x, tf.tensor1d(active, "int32")));
  return ways.reduce((sum, way, w) => {
    const places = [...active.keys()].filter((place) => isOpen(active[place]!, w));
    if (places.length === 0) return sum;
    const rows = places.map((place) => active[place]!);
    const gate = tf.tensor2d(
      rows.map((image) => gates[image * WAYS + w]!),
      [rows.length, 1],
    );
    const part = tf.mul(gate, way(tf.gather(squeezed, tf.tensor1d(places, "int32"))));
    return tf.add(sum, tf.scatterND(tf.tensor2d(rows, [rows.length, 1], "int32"), part, x.shape)) as tf.Tensor2D;
  }, x);
}

/**
 * Makes the classifier.
 *
 * @param random draws its weights
 * @returns the network
 * @example createNetwork(createRandom(0)).forward(images).logits
 */
export function createNetwork(random: Random): Network {
  const stem = dense(PIXELS, WIDTH, random);
  const blocks = Array.from({ length: BLOCKS }, () => block(random));
  const output = dense(WIDTH, CLASSES, random);
  const costs = createCostModel(NODE_OF_PATH, COST);
  const variables = () => [...stem.variables, ...blocks.flatMap((b) => b.variables), ...output.variables];
  return {
    costs,
    variables,
    forward: (images, { open = false } = {}) => {
      const [logits, gates] = tf.tidy(() => {
        let x = tf.relu(stem.apply(images)); // [B, 48]
        const all = blocks.map(({ gates, squeeze, ways }) => {
          const own = open ? tf.ones<tf.Rank.R2>([images.shape[0], WAYS]) : gates(x); // [B, 2]
          const z = squeeze(x);
          const parts = ways.map((way, w) => tf.mul(tf.slice(own, [0, w], [-1, 1]), way(z)));
          x = tf.addN([x, ...parts]) as tf.Tensor2D;
          return own;
        });
        return [output.apply(x), tf.concat(all, 1)];
      }) as [tf.Tensor2D, tf.Tensor2D];
      return { logits, gates };
    },
    forwardRouted: async (images) => {
      const count = images.shape[0];
      const gates = new Float32Array(count * NODE_OF_PATH.length);
      let x = tf.tidy(() => tf.relu(stem.apply(images)));
      try {
        for (const [n, own] of blocks.entries()) {
          const decided = own.gates(x);
          const values = await decided.data<"float32">().finally(() => decided.dispose());
          const before = x;
          x = tf.tidy(() => runOpen(own, before, values));
          before.dispose();
          for (let image = 0; image < count; image++) {
            gates.set(values.subarray(image * WAYS, (image + 1) * WAYS), image * NODE_OF_PATH.length + n * WAYS);
          }
        }
        const logits = tf.tidy(() => output.apply(x));
        const values = await logits.data<"float32">().finally(() => logits.dispose());
        return { logits: values, gates, madds: costs.executedCost(gates, THRESHOLD) };
      } finally {
        x.dispose();
      }
    },
    dispose: () => {
      for (const variable of variables()) variable.dispose();
      costs.dispose();
    },
  };
}
