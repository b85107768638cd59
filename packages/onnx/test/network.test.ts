// An exported network means what the supernet's executors mean, in every mode, for gates that differ from image to image.
import { createRandom } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import { createPoolRouter, hardConcreteGate, type PoolRouterOptions, sigmoidGate } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { exportOnnx, type OnnxOptions } from "../src";
import type { RouterNode } from "./look-alike-router";
import { expectClose, fcosDetector, netOf, randomImages, runModel } from "./models";

const CASES = [
  { batch: 1, height: 64, width: 96 },
  { batch: 3, height: 71, width: 93 },
  { batch: 2, height: 8, width: 24 },
  { batch: 2, height: 1, width: 1 },
];

/** Compares an export with the routed executor; returns the gates. */
async function compare(
  detector: Detector,
  { batch, height, width }: (typeof CASES)[number],
  options: OnnxOptions,
): Promise<Float32Array> {
  const images = randomImages(batch, height, width);
  const net = netOf(detector);
  const { route } = options;
  const forced = route && Float32Array.from({ length: batch * route.length }, (_, i) => route[i % route.length]!);
  const wanted = await net.forwardRouted(images, forced ? { gates: forced } : {});
  const model = await runModel(await exportOnnx(detector, { ...options, output: "features" }), images);
  for (const [l, map] of wanted.features.maps.entries()) {
    expect(model.shape(`features_${l}`)).toEqual(map.shape);
    expectClose(model.get(`features_${l}`), await map.data(), 1e-4, `level ${l}`);
  }
  expectClose(model.get("gates"), wanted.gates, 1e-5, "gates");
  expect(model.shape("gates")).toEqual([batch, net.space.paths.length]);
  expect(Array.from(model.get("madds"))).toEqual(Array.from(wanted.madds));
  tf.dispose([images, wanted.features.maps as tf.Tensor4D[]]);
  return wanted.gates;
}

describe.each(["dynamic", "masked"] as const)("%s", (mode) => {
  it.each(CASES)("equals the routed executor on $batch images of $height × $width", async (size) => {
    for (const seed of [3, 4]) {
      const detector = await fcosDetector({ seed });
      const gates = await compare(detector, size, { mode });
      expect(gates.some((gate) => gate === 0)).toBe(true);
      expect(gates.some((gate) => gate > 0)).toBe(true);
      detector.dispose();
    }
  });

  it("equals it when images of a batch take different routes and drop different nodes", async () => {
    const detector = await fcosDetector({ seed: 10 });
    const net = netOf(detector);
    const gates = await compare(detector, { batch: 3, height: 64, width: 64 }, { mode });
    const count = net.space.paths.length;
    const rows = [0, 1, 2].map((b) => [...gates.subarray(b * count, (b + 1) * count)].map((gate) => gate > 0));
    expect(new Set(rows.map(String)).size).toBe(3);
    const drops = net.space.nodes.map(({ paths }) => rows.map((row) => paths.every((p) => !row[p])));
    expect(drops.some((dropped) => dropped.includes(true) && dropped.includes(false))).toBe(true);
    detector.dispose();
  });

  it("equals it for the small preset, a fixed size and gates of 0 or 1", async () => {
    const detector = await fcosDetector({ preset: "small", backbone: { gateValue: "binary" } });
    const gates = await compare(
      detector,
      { batch: 1, height: 64, width: 104 },
      { mode, size: { height: 64, width: 104 } },
    );
    expect(new Set(gates)).toEqual(new Set([0, 1]));
    detector.dispose();
  });

  it.each(["sigmoid", "hard-concrete", "gumbel"] as const)("equals it with %s gates", async (gate) => {
    const detector = await fcosDetector({ gate });
    const gates = await compare(detector, { batch: 2, height: 40, width: 56 }, { mode });
    expect(gates.some((value) => value === 0)).toBe(true);
    detector.dispose();
  });

  it.each<[string, Partial<PoolRouterOptions>]>([
    ["another width", { hidden: 5 }],
    ["one cell", { pool: 1 }],
    ["nine cells", { pool: 3 }],
    ["a threshold of their own", { gate: sigmoidGate({ threshold: 0.7 }) }],
    ["a stretch of their own", { gate: hardConcreteGate({ random: createRandom(0), gamma: -0.3, zeta: 1.2 }) }],
  ])("equals it with routers of %s", async (_, options) => {
    const router = (node: RouterNode) => createPoolRouter({ ...node, ...options });
    const detector = await fcosDetector({ backbone: { router } });
    await compare(detector, { batch: 2, height: 40, width: 56 }, { mode });
    const gates = await compare(
      detector,
      { batch: 2, height: 71, width: 93 },
      { mode, size: { height: 71, width: 93 } },
    );
    expect(gates.some((value) => value === 0)).toBe(true);
    expect(gates.some((value) => value > 0)).toBe(true);
    detector.dispose();
  });

  it.each([
    { height: 64, width: 104 }, // rows of every scale are half of the finer one's
    { height: 104, width: 64 }, // columns are
    { height: 71, width: 93 },
  ])("equals it for a fixed size of $height × $width", async (size) => {
    const detector = await fcosDetector({ preset: "small" });
    await compare(detector, { batch: 2, ...size }, { mode, size });
    detector.dispose();
  });

  it("closes what lies below the threshold", async () => {
    const detector = await fcosDetector({ backbone: { threshold: 0.6 } });
    const gates = await compare(detector, { batch: 2, height: 40, width: 56 }, { mode });
    expect(gates.every((gate) => gate === 0 || gate >= 0.6)).toBe(true);
    detector.dispose();
  });
});

describe("fixed", () => {
  it.each([0, 0.3, 0.7, 1])("equals the forced executor with %s of the paths open", async (share) => {
    const detector = await fcosDetector();
    const random = createRandom(6);
    const route = netOf(detector).space.paths.map(() => (random.next() < share ? 0.2 + 0.8 * random.next() : 0));
    await compare(detector, { batch: 3, height: 71, width: 93 }, { mode: "fixed", route });
    await compare(
      detector,
      { batch: 1, height: 64, width: 128 },
      { mode: "fixed", route, size: { height: 64, width: 128 } },
    );
    detector.dispose();
  });

  it("takes open gates for 1 where the supernet does", async () => {
    const detector = await fcosDetector({ backbone: { gateValue: "binary" } });
    const route = netOf(detector).space.paths.map((_, i) => (i % 3) / 2);
    const gates = await compare(detector, { batch: 1, height: 64, width: 64 }, { mode: "fixed", route });
    expect(new Set(gates)).toEqual(new Set([0, 1]));
    detector.dispose();
  });
});
