// FPNLite as a neck of its own: after a network that has all levels, after one that lacks some, and its refusals.
import { ConfigError, createRandom, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { createFpnLite, type FpnLiteShape } from "../src";

const random = () => createRandom(0);
const FIVE = [8, 16, 32, 64, 128];

const pyramid = (height: number, width: number, strides: readonly number[], channels: (level: number) => number) => ({
  strides,
  maps: strides.map((s, l) =>
    tf.randomNormal<tf.Rank.R4>([2, Math.ceil(height / s), Math.ceil(width / s), channels(l)], 0, 1, "float32", l),
  ),
});

describe.each(backends)("FPNLite on %s", (backend) => {
  it("gives as many levels as a supernet gives it, and leaves those alone", () =>
    onBackend(backend, async () => {
      const neck = createFpnLite({ inChannels: 6, strides: FIVE, depth: 8, random: random() });
      expect({ strides: neck.strides, channels: neck.channels }).toEqual({ strides: FIVE, channels: 8 });
      const generator = random();
      for (let i = 0; i < 4; i++) {
        const side = () => 1 + Math.floor(260 * generator.next());
        const features = pyramid(side(), side(), FIVE, () => 6);
        const before = tf.memory().numTensors;
        const out = neck.forward(features, { training: i % 2 === 1 });
        expect(out.strides).toEqual(FIVE);
        expect(out.maps.map(({ shape }) => shape)).toEqual(features.maps.map(({ shape }) => [...shape.slice(0, 3), 8]));
        expect(tf.memory().numTensors).toBe(before + 5);
        tf.dispose([...out.maps, ...features.maps]);
      }
      neck.dispose();
    }));

  it("passes what is coarse down to what is fine, and nothing up", () =>
    onBackend(backend, async () => {
      const neck = createFpnLite({ inChannels: 4, strides: FIVE, depth: 8, random: random() });
      const features = pyramid(130, 200, FIVE, () => 4);
      const forward = (maps: readonly tf.Tensor4D[]) => neck.forward({ maps, strides: FIVE }, { training: false }).maps;
      const base = forward(features.maps);
      for (const changed of FIVE.keys()) {
        const maps = features.maps.map((map, l) => (l === changed ? tf.add<tf.Tensor4D>(map, 1) : map));
        const out = forward(maps);
        for (const level of FIVE.keys()) {
          const gap = tf.tidy(() => tf.max(tf.abs(tf.sub(out[level]!, base[level]!))));
          const moved = (await gap.data())[0]! > 1e-5;
          expect(moved, `level ${level} when level ${changed} changes`).toBe(level <= changed);
          gap.dispose();
        }
        tf.dispose([maps[changed]!, ...out]);
      }
      tf.dispose([...base, ...features.maps]);
      neck.dispose();
    }));

  it("gives the coarsest level its lateral alone: no normalisation, no ReLU6", () =>
    onBackend(backend, async () => {
      const neck = createFpnLite({ inChannels: 1, strides: [8, 16], depth: 2, levels: 2, random: random() });
      neck.loadStateDict(
        new Map([
          ["lateral.1.weight", { shape: [1, 1, 1, 2], data: Float32Array.of(-3, 20) }],
          ["lateral.1.bias", { shape: [2], data: Float32Array.of(1, 2) }],
        ]),
        { strict: false },
      );
      const maps = [tf.zeros<tf.Rank.R4>([1, 1, 2, 1]), tf.ones<tf.Rank.R4>([1, 1, 1, 1])];
      const out = neck.forward({ maps, strides: [8, 16] }, { training: false }).maps;
      expect(Array.from(await out[1]!.data())).toEqual([-2, 22]);
      const fine = await out[0]!.data();
      expect(fine.every((v) => v >= 0 && v <= 6)).toBe(true);
      tf.dispose([...maps, ...out]);
      neck.dispose();
    }));

  it("gives every parameter a gradient", () =>
    onBackend(backend, async () => {
      const neck = createFpnLite({ inChannels: [3, 5], strides: [8, 16], depth: 8, levels: 4, random: random() });
      const features = pyramid(60, 90, [8, 16], (l) => [3, 5][l]!);
      const parameters = [...neck.namedParameters()];
      const { value, grads } = tf.variableGrads(
        () => {
          const { maps } = neck.forward(features, { training: true });
          return tf.addN(maps.map((map) => tf.mean(tf.square(map)))) as tf.Scalar;
        },
        parameters.map(([, { variable }]) => variable),
      );
      for (const [name, { variable }] of parameters) {
        const norm = tf.norm(grads[variable.name]!);
        expect((await norm.data())[0], name).toBeGreaterThan(0);
        norm.dispose();
      }
      tf.dispose([value, ...features.maps, ...Object.values(grads)]);
      neck.dispose();
    }));

  it("refuses levels that are not those it was made for", () =>
    onBackend(backend, async () => {
      const strides = [8, 16, 32];
      const neck = createFpnLite({ inChannels: 4, strides, depth: 8, random: random() });
      const before = tf.memory().numTensors;
      const features = pyramid(64, 64, strides, () => 4);
      const narrow = pyramid(64, 64, strides, () => 3);
      const forward = (maps: readonly tf.Tensor4D[]) => () => neck.forward({ maps, strides }, { training: false });
      expect(forward(features.maps.slice(1))).toThrow(
        "takes 3 levels of [4,4,4] channels, got maps [2,4,4,4], [2,2,2,4]",
      );
      expect(forward(narrow.maps)).toThrow(ShapeError);
      expect(forward([features.maps[0]!, features.maps[2]!, features.maps[2]!])).toThrow(/cannot be doubled/);
      tf.dispose([...features.maps, ...narrow.maps]);
      expect(tf.memory().numTensors).toBe(before);
      neck.dispose();
    }));
});

describe("createFpnLite", () => {
  it.each([
    [{ strides: [] }, /strides should double from level to level, got \[\]/],
    [{ strides: [8, 24] }, /strides should double from level to level, got \[8,24\]/],
    [{ strides: [16, 8] }, /strides should double/],
    [{ inChannels: [4] }, /each of 2 levels needs a positive number of channels, got \[4\] and depth 128/],
    [{ inChannels: 0 }, /got \[0,0\] and depth 128/],
    [{ depth: 1.5 }, /depth 1\.5/],
    [{ levels: 1 }, /levels should be at least the 2 that are in front of it, got 1/],
    [{ levels: Number.NaN }, /got NaN/],
  ] satisfies [Partial<FpnLiteShape>, RegExp][])("refuses %j", (wrong, message) => {
    const before = tf.memory().numTensors;
    const create = () => createFpnLite({ inChannels: 4, strides: [8, 16], ...wrong, random: random() });
    expect(create).toThrow(message);
    expect(create).toThrow(ConfigError);
    expect(tf.memory().numTensors).toBe(before);
  });
});
