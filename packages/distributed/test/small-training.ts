// A few steps of a small network on drawn images, by one rank of several or by one alone that sees what all of them see.
import { BatchNorm, Conv, createRandom, Linear, Module, readState, variableGrads } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { syncBatchNorm, type ThreadCollective } from "../src";

/** How batch normalisation is done: by all ranks' batches, by fixed moments, or by each rank's own batch. */
export type Norms = "synced" | "frozen" | "own";

class SmallNet extends Module {
  readonly #conv: Conv;
  readonly norm: BatchNorm;
  readonly #second: Conv;
  readonly secondNorm: BatchNorm;
  readonly #linear: Linear;

  constructor() {
    super();
    const random = createRandom(3);
    this.#conv = this.child("conv", new Conv({ inChannels: 3, outChannels: 4, kernelSize: 3, bias: false, random }));
    this.norm = this.child("norm", new BatchNorm(4));
    this.#second = this.child("second", new Conv({ inChannels: 4, outChannels: 4, bias: false, random }));
    this.secondNorm = this.child("secondNorm", new BatchNorm(4));
    this.#linear = this.child("linear", new Linear({ inFeatures: 4, outFeatures: 2, random }));
  }

  forward(images: tf.Tensor4D): tf.Tensor2D {
    const x = this.norm.apply(this.#conv.apply(images), { training: true, activation: "relu" });
    const y = this.secondNorm.apply(this.#second.apply(x), { training: true, activation: "relu", residual: x });
    return this.#linear.apply(tf.mean(y, [1, 2]) as tf.Tensor2D);
  }
}

const [IMAGES, SIDE, STEPS, RATE] = [4, 6, 8, 0.05];

// The images and targets of a step, the same for all; each rank takes its share.
function batchOf(step: number, rank: number, size: number): { images: tf.Tensor4D; wanted: tf.Tensor2D } {
  const random = createRandom(11, step);
  const draw = (n: number, mean: number) => Float32Array.from({ length: n }, () => mean + random.normal());
  const [images, wanted] = [draw(IMAGES * SIDE * SIDE * 3, 2), draw(IMAGES * 2, 0)];
  const share = IMAGES / size;
  const own = (values: Float32Array, each: number) => values.subarray(rank * share * each, (rank + 1) * share * each);
  return {
    images: tf.tensor4d(own(images, SIDE * SIDE * 3), [share, SIDE, SIDE, 3]),
    wanted: tf.tensor2d(own(wanted, 2), [share, 2]),
  };
}

/** What a training leaves. */
export interface Trained {
  /** Weights and running moments by name. */
  readonly state: ReadonlyMap<string, Float32Array>;
  /** Tensors alive at the end beside those at the start. */
  readonly left: number;
}

/** Trains on the current backend. */
export async function trainSmall(collective: ThreadCollective, norms: Norms): Promise<Trained> {
  const { rank, size } = collective;
  const before = tf.memory().numTensors;
  const net = new SmallNet();
  for (const norm of [net.norm, net.secondNorm]) norm.frozen = norms === "frozen";
  const undo = norms === "synced" ? syncBatchNorm(net, collective) : () => {};
  const variables = [...net.namedParameters().values()].map(({ variable }) => variable);
  for (let step = 0; step < STEPS; step++) {
    const { images, wanted } = batchOf(step, rank, size);
    const loss = () => tf.mean(tf.squaredDifference(net.forward(images), wanted)) as tf.Scalar;
    const { value, grads } = variableGrads(loss, variables);
    const gradients = await Promise.all(variables.map(({ name }) => grads[name]!.data<"float32">()));
    await collective.allReduceMean(gradients);
    tf.tidy(() => {
      for (const [i, v] of variables.entries()) v.assign(tf.sub(v, tf.mul(tf.tensor(gradients[i]!, v.shape), RATE)));
    });
    tf.dispose([images, wanted, value, grads]);
  }
  undo();
  const state = await readState(net);
  net.dispose();
  const arrays = [...state].map(([name, { data }]) => [name, data as Float32Array] as const);
  return { state: new Map(arrays), left: tf.memory().numTensors - before };
}
