// MAdds against counts by hand, layer for layer, and against what really ran.
import { createRandom, type Size } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { createMobileNetV1, createMobileNetV2, fpnLiteCost, type MobileNetShape } from "../src";
import { planCost } from "../src/mobilenet-backbone";
import { planMobileNetV1 } from "../src/mobilenet-v1";
import { planMobileNetV2 } from "../src/mobilenet-v2";
import type { MobileNetTail } from "../src/plan";

const IMAGENET: Size = { height: 224, width: 224 };
const COCO: Size = { height: 800, width: 1200 };

const v1 = (size: Size, tail: MobileNetTail = "imagenet", neck: MobileNetShape["neck"] = {}) =>
  planCost(planMobileNetV1(1, tail), neck, size);
const v2 = (size: Size, tail: MobileNetTail = "imagenet", neck: MobileNetShape["neck"] = {}) =>
  planCost(planMobileNetV2(1, tail), neck, size);

// Depthwise 3 × 3 and pointwise on a square map of so many cells a side.
const pair = (side: number, cin: number, cout: number) => side * side * (9 * cin + cin * cout);
// Expansion on the incoming side, depthwise and projection on the outgoing one.
const bottleneck = (from: number, to: number, cin: number, hidden: number, cout: number) =>
  from * from * cin * hidden + to * to * (9 * hidden + hidden * cout);

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const giga = (madds: number) => Number((madds / 1e9).toFixed(2));
const mega = (madds: number) => Number((madds / 1e6).toFixed(1));

describe("MobileNetV1 at 224 × 224", () => {
  const byHand = [
    112 * 112 * 9 * 3 * 32,
    pair(112, 32, 64),
    pair(56, 64, 128),
    pair(56, 128, 128),
    pair(28, 128, 256),
    pair(28, 256, 256),
    pair(14, 256, 512),
    pair(14, 512, 512),
    pair(14, 512, 512),
    pair(14, 512, 512),
    pair(14, 512, 512),
    pair(14, 512, 512),
    pair(7, 512, 1024),
    pair(7, 1024, 1024),
  ];

  it("is counted layer for layer", () => {
    expect(v1(IMAGENET).layers).toEqual(byHand);
    expect(v1(IMAGENET).trunk).toBe(sum(byHand));
  });

  it("is 568 M without its classifier, as published", () => {
    expect(v1(IMAGENET).trunk).toBe(567_716_352);
    expect(mega(v1(IMAGENET).trunk)).toBe(567.7);
    expect(mega(v1(IMAGENET).trunk + 1024 * 1000)).toBe(568.7);
  });
});

describe("MobileNetV2 at 224 × 224", () => {
  const byHand = [
    112 * 112 * 9 * 3 * 32,
    112 * 112 * (9 * 32 + 32 * 16), // no expansion
    bottleneck(112, 56, 16, 96, 24),
    bottleneck(56, 56, 24, 144, 24),
    bottleneck(56, 28, 24, 144, 32),
    bottleneck(28, 28, 32, 192, 32),
    bottleneck(28, 28, 32, 192, 32),
    bottleneck(28, 14, 32, 192, 64),
    bottleneck(14, 14, 64, 384, 64),
    bottleneck(14, 14, 64, 384, 64),
    bottleneck(14, 14, 64, 384, 64),
    bottleneck(14, 14, 64, 384, 96),
    bottleneck(14, 14, 96, 576, 96),
    bottleneck(14, 14, 96, 576, 96),
    bottleneck(14, 7, 96, 576, 160),
    bottleneck(7, 7, 160, 960, 160),
    bottleneck(7, 7, 160, 960, 160),
    bottleneck(7, 7, 160, 960, 320),
    7 * 7 * 320 * 1280,
  ];

  it("is counted layer for layer", () => {
    expect(v2(IMAGENET).layers).toEqual(byHand);
    expect(v2(IMAGENET).trunk).toBe(sum(byHand));
  });

  it("is 300 M without its classifier, as published", () => {
    expect(mega(v2(IMAGENET).trunk)).toBe(299.5);
    expect(mega(v2(IMAGENET).trunk + 1280 * 1000)).toBe(300.8);
  });
});

describe("at 800 × 1200", () => {
  // Rows times columns of P3..P7; 1200 / 32 is rounded up.
  const [p3, p4, p5, p6, p7] = [100 * 150, 50 * 75, 25 * 38, 13 * 19, 7 * 10] as const;

  it.each([
    ["MobileNetV1", v1(COCO).neck, [256, 512, 1024]],
    ["MobileNetV2", v2(COCO).neck, [32, 96, 1280]],
    ["MobileNetV1, short", v1(COCO, "short").neck, [256, 512, 256]],
    ["MobileNetV2, short", v2(COCO, "short").neck, [32, 96, 256]],
  ] as const)("the neck of %s is counted by hand", (_, neck, [c3, c4, c5]) => {
    expect(neck.laterals).toBe((p3 * c3 + p4 * c4 + p5 * c5) * 128);
    expect(neck.smoothing).toBe((p3 + p4) * (9 * 128 + 128 * 128));
    expect(neck.extra).toBe((p6 + p7) * (9 * 128 + 128 * 128));
    expect(neck.total).toBe(neck.laterals + neck.smoothing + neck.extra);
  });

  it.each([
    ["MobileNetV1", "imagenet", v1, 10.88, 12.08, 13.9],
    ["MobileNetV1", "short", v1, 9.76, 10.86, 12.59],
    ["MobileNetV2", "imagenet", v2, 5.75, 6.35, 7.57],
  ] as const)("%s, %s tail, costs what an independent count says", (_, tail, cost, trunk, with128, with256) => {
    expect(giga(cost(COCO, tail).trunk)).toBe(trunk);
    expect(giga(cost(COCO, tail).total)).toBe(with128);
    expect(giga(cost(COCO, tail, { depth: 256 }).total)).toBe(with256);
  });
});

describe("FPNLite after the supernet", () => {
  // C3..C7 at 640 × 800, 256 channels each.
  const cells = [80 * 100, 40 * 50, 20 * 25, 10 * 13, 5 * 7];
  const shape = { inChannels: 256, strides: [8, 16, 32, 64, 128] };

  it.each([64, 128])("has a lateral a level and adds none, at depth %i", (depth) => {
    const cost = fpnLiteCost({ ...shape, depth }, { height: 640, width: 800 });
    const laterals = sum(cells) * 256 * depth;
    const smoothing = sum(cells.slice(0, 4)) * (9 * depth + depth * depth);
    expect(cost).toEqual({ laterals, smoothing, extra: 0, total: laterals + smoothing });
    expect(mega(cost.total)).toBe({ 64: 224.4, 128: 535.9 }[depth]);
  });

  it("refuses a size that no image has", () => {
    for (const height of [0, -8, 1.5, Number.NaN]) {
      expect(() => fpnLiteCost(shape, { height, width: 8 })).toThrow(/must be positive integers, got/);
      expect(() => v1({ height, width: 8 })).toThrow(/must be positive integers, got/);
    }
  });
});

describe("cost is what runs", () => {
  // Reads the MAdds of convolutions off the shapes of the kernels that ran.
  async function maddsThatRan(run: () => tf.TensorContainer): Promise<number> {
    const { kernels } = await tf.profile(() => tf.tidy(run));
    return sum(
      kernels.map(({ name, inputShapes, outputShapes }) => {
        if (!/conv/i.test(name)) return 0;
        const [, filter] = inputShapes as number[][];
        const [, h, w] = outputShapes[0] as number[];
        return h! * w! * filter!.reduce((a, b) => a * b, 1);
      }),
    );
  }

  it.each([
    ["MobileNetV1", createMobileNetV1],
    ["MobileNetV2", createMobileNetV2],
  ] as const)("%s", async (_, create) => {
    await prepareBackend({ backend: "cpu" });
    const random = createRandom(0);
    for (const [height, width, tail] of [
      [33, 65, "imagenet"],
      [50, 31, "short"],
      [1, 7, "imagenet"],
    ] as const) {
      const backbone = create({ width: 0.25, tail, neck: { depth: 8, levels: 6 }, random });
      const images = tf.zeros<tf.Rank.R4>([1, height, width, 3]);
      const ran = await maddsThatRan(() => [...backbone.forward(images, { training: false }).features.maps]);
      expect(ran).toBe(backbone.cost({ height, width }).total);
      images.dispose();
      backbone.dispose();
    }
  });
});
