// Both MobileNets as backbones: shapes at odd sizes and widths, memory, gradients, running moments.
import { createRandom, readState, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { createMobileNetV1, createMobileNetV2, type MobileNetBackbone, type MobileNetOptions } from "../src";
import { planMobileNetV1 } from "../src/mobilenet-v1";
import { planMobileNetV2 } from "../src/mobilenet-v2";
import { planTaps, scaledChannels } from "../src/plan";

type Create = (options: MobileNetOptions) => MobileNetBackbone;
const nets: [string, Create][] = [
  ["MobileNetV1", createMobileNetV1],
  ["MobileNetV2", createMobileNetV2],
];

const imagesOf = (height: number, width: number, batch = 1) =>
  tf.randomNormal<tf.Rank.R4>([batch, height, width, 3], 0, 1, "float32", 1);

describe("widths", () => {
  it.each([
    ["MobileNetV1", 1, "imagenet", planMobileNetV1, [256, 512, 1024]],
    ["MobileNetV1", 1, "short", planMobileNetV1, [256, 512, 256]],
    ["MobileNetV1", 0.5, "imagenet", planMobileNetV1, [128, 256, 512]],
    ["MobileNetV2", 1, "imagenet", planMobileNetV2, [32, 96, 1280]],
    ["MobileNetV2", 1, "short", planMobileNetV2, [32, 96, 256]],
    ["MobileNetV2", 0.35, "imagenet", planMobileNetV2, [16, 32, 1280]],
    ["MobileNetV2", 1.4, "imagenet", planMobileNetV2, [48, 136, 1792]],
  ] as const)("%s at %d, %s tail", (_, width, tail, plan, channels) => {
    expect(planTaps(plan(width, tail))).toEqual({ strides: [8, 16, 32], channels });
  });

  it("are multiples of 8, at least nine tenths of what was asked for", () => {
    const random = createRandom(0);
    for (let i = 0; i < 200; i++) {
      const [channels, width] = [1 + Math.floor(1500 * random.next()), 0.01 + 2 * random.next()];
      const scaled = scaledChannels(channels, width);
      expect(scaled % 8).toBe(0);
      expect(scaled).toBeGreaterThanOrEqual(Math.max(8, 0.9 * channels * width));
      expect(scaled).toBeLessThanOrEqual(channels * width + 8);
    }
  });
});

describe.each(backends)("on %s", (backend) => {
  it.each(nets)("%s gives a level a stride, whatever the input's size", (_, create) =>
    onBackend(backend, async () => {
      const random = createRandom(3);
      for (const [width, tail, levels] of [
        [0.1, "imagenet", 5],
        [0.25, "short", 3],
        [0.15, "imagenet", 6],
      ] as const) {
        const backbone = create({ width, tail, neck: { depth: 8, levels }, random });
        expect(backbone.strides).toEqual([8, 16, 32, 64, 128, 256].slice(0, levels));
        expect(backbone.channels).toBe(8);
        const side = () => 1 + Math.floor(150 * random.next());
        for (const [height, wide] of [[1, 1], ...Array.from({ length: 3 }, () => [side(), side()])] as const) {
          const images = imagesOf(height!, wide!);
          const before = tf.memory().numTensors;
          const { features, ...rest } = backbone.forward(images, { training: false });
          expect(rest).toEqual({}); // no gates: nothing is routed
          expect(features.strides).toEqual(backbone.strides);
          expect(features.maps.map(({ shape }) => shape)).toEqual(
            backbone.strides.map((s) => [1, Math.ceil(height! / s), Math.ceil(wide! / s), 8]),
          );
          expect(tf.memory().numTensors).toBe(before + levels);
          tf.dispose([images, ...features.maps]);
        }
        backbone.dispose();
      }
    }),
  );

  it.each(nets)("%s gives every parameter a gradient", (_, create) =>
    onBackend(backend, async () => {
      const backbone = create({ width: 0.1, neck: { depth: 8 }, random: createRandom(1) });
      const images = imagesOf(70, 90, 2);
      const parameters = [...backbone.namedParameters()];
      const { value, grads } = tf.variableGrads(
        () => {
          const { maps } = backbone.forward(images, { training: true }).features;
          return tf.addN(maps.map((map) => tf.mean(tf.square(map)))) as tf.Scalar;
        },
        parameters.map(([, { variable }]) => variable),
      );
      expect(Object.keys(grads)).toHaveLength(parameters.length);
      for (const [name, { variable }] of parameters) {
        const norm = tf.norm(grads[variable.name]!);
        expect((await norm.data())[0], name).toBeGreaterThan(0);
        norm.dispose();
      }
      tf.dispose([value, images, ...Object.values(grads)]);
      backbone.dispose();
    }),
  );

  it.each(nets)("%s moves running moments in training alone", (_, create) =>
    onBackend(backend, async () => {
      const backbone = create({ width: 0.1, neck: { depth: 8 }, random: createRandom(1) });
      const images = imagesOf(40, 33, 2);
      const fresh = await readState(backbone);
      tf.dispose([...backbone.forward(images, { training: false }).features.maps]);
      expect(await readState(backbone)).toEqual(fresh);
      const held = tf.memory().numTensors;
      tf.dispose([...backbone.forward(images, { training: true }).features.maps]);
      expect(tf.memory().numTensors).toBe(held);
      const moved = await readState(backbone);
      for (const [name, array] of moved) {
        if (/\.running(Mean|Variance)$/.test(name)) expect(array, name).not.toEqual(fresh.get(name));
        else expect(array, name).toEqual(fresh.get(name));
      }
      images.dispose();
      backbone.dispose();
    }),
  );
});

describe.each(nets)("%s", (_, create) => {
  it("starts from its seed", () =>
    onBackend("cpu", async () => {
      const built = [1, 1, 2].map((seed) => create({ width: 0.1, neck: { depth: 8 }, random: createRandom(seed) }));
      const [a, b, c] = await Promise.all(built.map(readState));
      expect(a).toEqual(b);
      expect(a).not.toEqual(c);
      for (const backbone of built) backbone.dispose();
    }));

  it("refuses images of another shape, and necks that cannot be", () =>
    onBackend("cpu", async () => {
      const backbone = create({ width: 0.1, neck: { depth: 8 }, random: createRandom(0) });
      const grey = tf.zeros<tf.Rank.R4>([1, 16, 16, 1]);
      const before = tf.memory().numTensors;
      expect(() => backbone.forward(grey, { training: false })).toThrow(ShapeError);
      expect(() => backbone.forward(grey, { training: false })).toThrow("takes images [B, H, W, 3], got [1,16,16,1]");
      for (const neck of [{ levels: 2 }, { depth: 0 }, { depth: 2.5 }]) {
        expect(() => create({ width: 0.1, neck, random: createRandom(0) })).toThrow(/^FPNLite: /);
      }
      expect(tf.memory().numTensors).toBe(before);
      grey.dispose();
      backbone.dispose();
    }));
});
