// Four ways to run a supernet mean the same, for any gates, batch and size, on every backend present: dense and routed, as it is and
// frozen.
import { createRandom, type FeaturePyramid, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createSupernet, type FrozenSupernet, PRESETS, type Supernet } from "../src";
import { randomGates, randomImages, relativeError, shake } from "./random-network";

const CASES = [
  { batch: 1, height: 64, width: 64, open: 0.5 },
  { batch: 1, height: 56, width: 72, open: 0.15 },
  { batch: 3, height: 71, width: 93, open: 0.5 },
  { batch: 8, height: 33, width: 129, open: 0.2 },
  { batch: 5, height: 40, width: 24, open: 0.7 },
  { batch: 2, height: 8, width: 8, open: 0.8 },
  { batch: 2, height: 1, width: 1, open: 0.5 },
  { batch: 2, height: 64, width: 48, open: 0 },
  { batch: 2, height: 64, width: 48, open: 1 },
];

interface Pass {
  readonly name: string;
  readonly features: FeaturePyramid;
  readonly gates: Float32Array;
  readonly madds?: Float64Array;
}

/** The pyramids of all four, the plain dense one first. */
async function runAll(net: Supernet, frozen: FrozenSupernet, images: tf.Tensor4D, forced?: Float32Array) {
  const passes: Pass[] = [];
  for (const [name, model] of Object.entries({ plain: net, frozen })) {
    const gates = forced && tf.tensor2d(forced, [images.shape[0], net.space.paths.length]);
    const dense = model.forward(images, { training: false, ...(gates ? { gates } : {}) });
    const values = await dense.gates.values.data<"float32">();
    tf.dispose([dense.gates.values, ...(gates ? [gates] : [])]);
    const routed = await model.forwardRouted(images, forced ? { gates: forced } : {});
    passes.push({ name: `${name} dense`, features: dense.features, gates: values });
    passes.push({ name: `${name} routed`, ...routed });
  }
  return passes;
}

async function expectSame([dense, ...others]: Pass[]): Promise<void> {
  for (const { name, features } of others) {
    expect(features.strides, name).toEqual(dense!.features.strides);
    for (const [i, map] of dense!.features.maps.entries()) {
      expect(features.maps[i]!.shape, name).toEqual(map.shape);
      expect(await relativeError(map, features.maps[i]!), `${name}, level ${i}`).toBeLessThan(1e-4);
    }
  }
}

const disposeAll = (passes: readonly Pass[]) => tf.dispose(passes.flatMap(({ features }) => [...features.maps]));

/** MAdds of what gates ask for, image by image. */
function askedMadds(net: Supernet, gates: Float32Array, height: number, width: number): number[] {
  const cost = net.cost({ height, width });
  const count = net.space.paths.length;
  return Array.from({ length: gates.length / count }, (_, b) => {
    const own = gates.subarray(b * count, (b + 1) * count);
    const paths = cost.perPath.reduce((sum, madds, p) => sum + (own[p]! > 0 ? madds : 0), 0);
    const blocks = net.space.nodes.map((n, i) => (n.paths.some((p) => own[p]! > 0) ? cost.perNode[i]! : 0));
    return paths + blocks.reduce((a, b) => a + b, 0);
  });
}

describe.each(backends)("executors on %s", (backend) => {
  let net: Supernet;
  let frozen: FrozenSupernet;
  beforeAll(async () => {
    await useBackend(backend);
    net = createSupernet({ ...PRESETS.tiny, random: createRandom(5) });
    shake(net, 6);
    frozen = net.freeze();
    return () => {
      net.dispose();
      frozen.dispose();
    };
  });

  it.each(CASES)("agree on $batch × $height × $width with $open of the paths open", async (c) => {
    const { batch, height, width, open } = c;
    const before = tf.memory().numTensors;
    const images = randomImages(batch, height, width, 7);
    const values = randomGates(net, batch, open, batch + height);
    const passes = await runAll(net, frozen, images, values);
    await expectSame(passes);
    for (const { name, gates, madds } of passes) {
      expect(Array.from(gates), name).toEqual(Array.from(values));
      if (madds) expect(Array.from(madds), name).toEqual(askedMadds(net, values, height, width));
    }
    disposeAll(passes);
    images.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    { batch: 1, seed: 1, sepConvs: 1 },
    { batch: 4, seed: 2, sepConvs: 2 },
    { batch: 8, seed: 3, sepConvs: 1 },
  ])("agree on the routers' own gates: batch $batch, weights $seed", async ({ batch, seed, sepConvs }) => {
    const before = tf.memory().numTensors;
    const own = createSupernet({ ...PRESETS.tiny, sepConvs, random: createRandom(seed) });
    shake(own, seed + 10);
    const ice = own.freeze();
    const images = randomImages(batch, 57, 72, seed);
    const passes = await runAll(own, ice, images);
    const [first, ...others] = passes;
    expect(first!.gates.some((g) => g === 0) && first!.gates.some((g) => g > 0)).toBe(true);
    await expectSame(passes);
    for (const { name, gates, madds } of others) {
      for (const [i, g] of gates.entries()) expect(Math.abs(g - first!.gates[i]!), name).toBeLessThan(1e-4);
      if (madds) expect(Array.from(madds), name).toEqual(askedMadds(own, gates, 57, 72));
    }
    disposeAll(passes);
    tf.dispose(images);
    own.dispose();
    ice.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuse images and gates of another shape, and leak nothing then", async () => {
    const before = tf.memory().numTensors;
    const grey = tf.zeros([1, 16, 16, 1]) as tf.Tensor4D;
    const images = tf.zeros([1, 16, 16, 3]) as tf.Tensor4D;
    const gates = tf.zeros([1, 3]) as tf.Tensor2D;
    for (const model of [net, frozen]) {
      expect(() => model.forward(grey, { training: false })).toThrow(ShapeError);
      await expect(model.forwardRouted(grey)).rejects.toThrow(ShapeError);
      expect(() => model.forward(images, { training: false, gates })).toThrow(/Forced gates must be \[1, 19\]/);
      await expect(model.forwardRouted(images, { gates: new Float32Array(3) })).rejects.toThrow(/Forced gates/);
    }
    tf.dispose([grey, images, gates]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
