// Checkpointing changes what a training pass holds and how long it takes, and nothing else: gradients, gates, running moments and random
// numbers are the same to the bit.
import { createRandom, isRecomputing, Module, type Router, variableGrads } from "@caddet/core";
import { gumbelGate, hardConcreteGate } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { createSupernet, PRESETS, type Supernet, type SupernetOptions } from "../src";
import { peakBytes } from "./peak-memory";
import { randomImages, shake } from "./random-network";

const lossOf = (net: Supernet, images: tf.Tensor4D, checkpoint: boolean, gates?: tf.Tensor2D) => () =>
  tf.tidy(() => {
    const options = { training: true, checkpoint, ...(gates ? { gates } : {}) };
    const { features, gates: own } = net.forward(images, options);
    const squares = features.maps.map((map, i) => tf.mean(tf.mul(tf.square(map), i + 1)));
    return tf.addN([...squares, tf.mean(tf.square(own.values))]) as tf.Scalar;
  });

const variablesOf = (net: Supernet) => [...net.namedParameters().values()].map(({ variable }) => variable);

/** Value, gradients and running moments of a step, by name. */
async function stepOf(net: Supernet, images: tf.Tensor4D, checkpoint: boolean, gates?: tf.Tensor2D) {
  const names = new Map([...net.namedParameters()].map(([name, { variable }]) => [variable.name, name]));
  const { value, grads } = variableGrads(lossOf(net, images, checkpoint, gates), variablesOf(net));
  const gradients = Object.entries(grads).map(([name, g]) => [names.get(name)!, g] as const);
  const all = new Map<string, tf.Tensor>([["value", value], ...gradients, ...net.namedBuffers()]);
  const numbers = await valuesOf(() => [...all.values()]);
  tf.dispose([value, ...Object.values(grads)]);
  return new Map([...all.keys()].map((name, i) => [name, numbers[i]!]));
}

/** What a step holds at once, gradients of the weights included. */
function peakOf(
  net: Supernet,
  images: tf.Tensor4D,
  checkpoint: boolean,
  grads: typeof variableGrads = variableGrads,
): number {
  return peakBytes(() => {
    const found = grads(lossOf(net, images, checkpoint), variablesOf(net));
    tf.dispose([found.value, ...Object.values(found.grads)]);
  });
}

describe.each(backends)("checkpointing on %s", (backend) => {
  let tensors = 0;
  beforeAll(async () => {
    await useBackend(backend);
    tensors = tf.memory().numTensors;
  });
  afterAll(() => {
    expect(tf.memory().numTensors).toBe(tensors);
  });

  // The gates of two networks may draw random numbers: each has a generator of its own.
  async function expectSameStep(
    options: (seed: number) => Partial<SupernetOptions>,
    { batch, height, width, seed }: { batch: number; height: number; width: number; seed: number },
    prepare: (net: Supernet) => tf.Tensor2D | undefined = () => undefined,
  ): Promise<void> {
    const images = randomImages(batch, height, width, seed);
    const twoSteps = async (checkpoint: boolean) => {
      const net = createSupernet({ ...PRESETS.tiny, random: createRandom(seed), ...options(seed) });
      shake(net, seed + 1);
      const gates = prepare(net);
      const steps = [await stepOf(net, images, checkpoint, gates), await stepOf(net, images, checkpoint, gates)];
      gates?.dispose();
      net.dispose();
      return steps;
    };
    const [wanted, got] = [await twoSteps(false), await twoSteps(true)];
    images.dispose();
    expect(got).toEqual(wanted);
    expect(wanted[0]).not.toEqual(wanted[1]); // the moments have moved
  }

  it.each([
    { batch: 1, height: 64, width: 64, seed: 0 },
    { batch: 3, height: 39, width: 53, seed: 1 },
    { batch: 2, height: 8, width: 8, seed: 2 },
    { batch: 2, height: 1, width: 1, seed: 3 },
  ])("changes no bit: batch $batch, $height × $width, seed $seed", async (size) => {
    await expectSameStep(() => ({}), size);
  });

  it("changes no bit of a network with other layers, scales and forced gates", async () => {
    const options = { layers: 3, channels: [4, 6], sepConvs: 2, pyramid: 5 };
    const force = (net: Supernet) => tf.fill([1, net.space.paths.length], 0.5) as tf.Tensor2D;
    await expectSameStep(() => options, { batch: 2, height: 24, width: 40, seed: 4 }, force);
  });

  it.each([
    { name: "gumbel", gateOf: gumbelGate },
    { name: "hard concrete", gateOf: hardConcreteGate },
  ])("draws the noise of $name gates once", async ({ gateOf }) => {
    const options = (seed: number) => ({ gate: gateOf({ random: createRandom(seed) }) });
    await expectSameStep(options, { batch: 2, height: 32, width: 48, seed: 5 });
  });

  it("leaves nothing behind where a loss throws", () => {
    const net = createSupernet({ ...PRESETS.tiny, random: createRandom(0) });
    const images = randomImages(1, 32, 32, 0);
    const loss = () => {
      lossOf(net, images, true)();
      throw new Error("no label");
    };
    const before = tf.memory().numTensors;
    expect(() => variableGrads(loss, variablesOf(net))).toThrow("no label");
    expect(tf.memory().numTensors).toBe(before);
    images.dispose();
    net.dispose();
  });

  it("asks a router of one's own once", async () => {
    const calls: boolean[] = [];
    class Half extends Module implements Router {
      forward(features: tf.Tensor4D): tf.Tensor2D {
        calls.push(isRecomputing());
        return tf.fill([features.shape[0], 1], 0.5);
      }
      madds = () => 0;
    }
    const net = createSupernet({
      layers: 2,
      channels: [4],
      sepConvs: 1,
      pyramid: 4,
      random: createRandom(0),
      router: () => new Half(),
    });
    const images = randomImages(1, 16, 16, 0);
    await stepOf(net, images, true);
    expect(calls).toEqual([false, false]);
    images.dispose();
    net.dispose();
  });

  it("holds at most half as much in a deep network", () => {
    const shape = { layers: 40, channels: [4, 4], sepConvs: 3, pyramid: 4 };
    const net = createSupernet({ ...shape, random: createRandom(0) });
    const images = randomImages(1, 64, 64, 0);
    const [plain, checkpointed] = [peakOf(net, images, false), peakOf(net, images, true)];
    expect(checkpointed / plain).toBeLessThan(0.5);
    images.dispose();
    net.dispose();
  });
});

describe("on wasm, preset small at 2 × 256 × 256, a step", () => {
  let net: Supernet;
  let images: tf.Tensor4D;
  let theirs: number;
  beforeAll(async () => {
    await useBackend("wasm");
    net = createSupernet({ ...PRESETS.small, random: createRandom(0) });
    images = randomImages(2, 256, 256, 0);
    theirs = peakOf(net, images, false, tf.variableGrads);
    return () => {
      images.dispose();
      net.dispose();
    };
  });

  it("holds at most half of what it does under tf.variableGrads", () => {
    expect(peakOf(net, images, false) / theirs).toBeLessThan(0.5);
  });

  it("holds at most half of that again when checkpointed", () => {
    expect(peakOf(net, images, true) / peakOf(net, images, false)).toBeLessThan(0.5);
    expect(peakOf(net, images, true) / theirs).toBeLessThan(0.3);
  });

  it("holds at most half under tf.variableGrads, too", () => {
    expect(peakOf(net, images, true, tf.variableGrads) / theirs).toBeLessThan(0.5);
  });
});
