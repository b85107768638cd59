// The training benchmark's step: forward, backward and SGD of the supernet on the current backend, with PyTorch's weights; alone, or as one of
// several replicas that exchange gradients.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Collective, compiled, createRandom, meanGradients, parseSafetensors, variableGrads } from "@caddet/core";
import { graphRecorder } from "@caddet/runtime/node";
import { createSupernet, PRESETS, type PresetName, supernetFromTorch } from "@caddet/supernet";
import { createSgd } from "@caddet/trainer";
import * as tf from "@tensorflow/tfjs-core";

/** What is trained, and on what. */
export interface StepSetting {
  /** Holds weights.safetensors. */
  readonly folder: string;
  readonly preset: PresetName;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** Whether the network becomes a graph where the backend can make one. Default true. */
  readonly graphs?: boolean;
}

/** `[B * H * W * 3]`: any values that all languages make alike. */
function benchImages(size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, n) => ((n * 7919) % 1000) / 500 - 1);
}

/** Builds the network. Each call of the result is a step and returns the loss before it. */
export function trainingStep(setting: StepSetting, collective?: Collective): () => Promise<number> {
  const { folder, preset, batch, height, width, graphs = true } = setting;
  const net = createSupernet({ ...PRESETS[preset], random: createRandom(0) });
  net.loadStateDict(supernetFromTorch(parseSafetensors(readFileSync(join(folder, "weights.safetensors"))).arrays));
  const parameters = net.namedParameters();
  const variables = [...parameters.values()].map(({ variable }) => variable);
  // The peer's: one rate and one decay for all, nothing clipped.
  const sgd = createSgd(parameters, {
    momentum: 0.9,
    weightDecay: 1e-4,
    clipNorm: null,
    rateFactors: { bias: 1 },
    decayFactors: { bias: 1, norm: 1 },
  });
  const images = tf.tensor4d(benchImages(batch * height * width * 3), [batch, height, width, 3]);
  const run = ([x]: readonly tf.Tensor[]) => {
    const { features, gates } = net.forward(x as tf.Tensor4D, { training: true });
    return [...features.maps, gates.values];
  };
  const recorder = graphs ? graphRecorder() : undefined;
  const buffers = [...net.namedBuffers().values()];
  // As a trainer that is given `graphs`: the network's two passes, not the loss.
  const forward = recorder ? compiled({ run, parameters: variables, buffers, recorder }).apply : run;
  const loss = () => {
    const outputs = forward([images]);
    const maps = outputs.slice(0, -1);
    const squares = maps.map((map) => tf.mean(tf.square(map)));
    return tf.addN([...squares, tf.mean(outputs[maps.length]!)]) as tf.Scalar;
  };
  return async () => {
    const { value, grads } = variableGrads(loss, variables);
    const means = collective && (await meanGradients(collective, variables, grads));
    const unclipped = tf.scalar(1);
    sgd.step(means ?? grads, unclipped, 0.01);
    tf.dispose([unclipped, grads, means ?? {}]);
    const [read] = await value.data();
    value.dispose();
    return read!;
  };
}
