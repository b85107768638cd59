// The loss of the center head: values by hand, gradients by finite differences, and where it is smallest.
import { createRandom, type GroundTruth, ShapeError } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { centerLoss, heatmapLoss } from "../src/center-loss";
import type { CenterRaw } from "../src/center-raw";
import { centerTargets } from "../src/center-targets";

const GRID = { height: 4, width: 5, stride: 8, numClasses: 2 };
const OPTIONS = { stride: 8, numClasses: 2, lossWeights: { heat: 1, size: 0.1, offset: 1 } };
const TRUTHS: GroundTruth[] = [
  { boxes: Float32Array.of(2, 3, 30, 25, 20, 8, 33, 30), labels: Int32Array.of(0, 1), crowd: new Uint8Array(2) },
  { boxes: new Float32Array(0), labels: new Int32Array(0), crowd: new Uint8Array(0) },
];

type Maps = Readonly<Record<keyof CenterRaw, Float32Array>>;
const CHANNELS = { heat: 2, size: 2, offset: 2 } as const;

function drawMaps(seed: number): Maps {
  const random = createRandom(seed);
  const draw = (c: number) => Float32Array.from({ length: 2 * GRID.height * GRID.width * c }, () => random.normal());
  return { heat: draw(CHANNELS.heat), size: draw(CHANNELS.size), offset: draw(CHANNELS.offset) };
}

function toRaw(maps: Maps): CenterRaw {
  const tensor = (name: keyof CenterRaw) => tf.tensor4d(maps[name], [2, GRID.height, GRID.width, CHANNELS[name]]);
  return { heat: tensor("heat"), size: tensor("size"), offset: tensor("offset") };
}

const total = (raw: CenterRaw) => tf.sum<tf.Scalar>(centerLoss(raw, TRUTHS, OPTIONS).perImage);

beforeAll(() => prepareBackend({ backend: "wasm" }));

describe("heatmapLoss", () => {
  it("is the focal loss at centres, and weighed down near them", () => {
    const loss = heatmapLoss(tf.tensor1d([0, 0, 0]), tf.tensor1d([1, 0.5, 0])).dataSync();
    const base = 0.25 * Math.log(2);
    expect(loss[0]).toBeCloseTo(base, 6);
    expect(loss[1]).toBeCloseTo(base / 16, 6);
    expect(loss[2]).toBeCloseTo(base, 6);
  });

  it("vanishes for what is right, grows with what is wrong, and stays finite", () => {
    const loss = heatmapLoss(tf.tensor1d([30, -30, -1e4, 1e4]), tf.tensor1d([1, 0, 1, 0])).dataSync();
    expect(loss[0]).toBeCloseTo(0, 6);
    expect(loss[1]).toBeCloseTo(0, 6);
    expect(loss[2]).toBeCloseTo(1e4, 0);
    expect(loss[3]).toBeCloseTo(1e4, 0);
  });
});

describe("centerLoss", () => {
  it("is the sum of its terms, image by image, and the empty image has heat alone", () => {
    const { perImage, terms } = centerLoss(toRaw(drawMaps(1)), TRUTHS, OPTIONS);
    const values = Object.values(terms).map((term) => term.dataSync()[0]!);
    const shares = perImage.dataSync();
    expect(Object.keys(terms)).toEqual(["heat", "size", "offset"]);
    expect(shares[0]! + shares[1]!).toBeCloseTo(
      values.reduce((a, b) => a + b),
      5,
    );

    const empty = centerLoss(toRaw(drawMaps(1)), [TRUTHS[1]!, TRUTHS[1]!], OPTIONS);
    expect(empty.terms.size!.dataSync()[0]).toBe(0);
    expect(empty.terms.heat!.dataSync()[0]).toBeGreaterThan(0);
  });

  it("has its minimum at the targets", () => {
    const { heat, size, offset } = centerTargets(TRUTHS, GRID);
    const logits = heat.map((v) => (v === 1 ? 20 : -20));
    expect(total(toRaw({ heat: logits, size, offset })).dataSync()[0]).toBeLessThan(1e-5);
    const off = size.map((v) => v + 1);
    const { terms } = centerLoss(toRaw({ heat: logits, size: off, offset }), TRUTHS, OPTIONS);
    expect(terms.size!.dataSync()[0]).toBeCloseTo(0.2, 5); // λ_size 0.1 · (1 + 1) an object
  });

  it.each(["heat", "size", "offset"] as const)("has the gradient of finite differences in %s", (name) => {
    const maps = drawMaps(2);
    const raw = toRaw(maps);
    const slope = tf
      .grad((x) => total({ ...raw, [name]: x as tf.Tensor4D }))(raw[name])
      .dataSync();
    const step = 1e-2;
    const moved = (i: number, by: number) => {
      const values = maps[name].slice();
      values[i]! += by;
      return total(toRaw({ ...maps, [name]: values })).dataSync()[0]!;
    };
    let largest = 0;
    for (let i = 0; i < slope.length; i++) {
      const expected = (moved(i, step) - moved(i, -step)) / (2 * step);
      expect(Math.abs(slope[i]! - expected)).toBeLessThan(2e-3 + 5e-3 * Math.abs(expected));
      largest = Math.max(largest, Math.abs(expected));
    }
    expect(largest).toBeGreaterThan(0.02);
  });

  it("leaves no tensor behind, also when it fails", () => {
    const raw = toRaw(drawMaps(3));
    const before = tf.memory().numTensors;
    const { perImage, terms } = centerLoss(raw, TRUTHS, OPTIONS);
    expect(tf.memory().numTensors).toBe(before + 4);
    tf.dispose([perImage, { ...terms }]);
    expect(() => centerLoss(raw, TRUTHS.slice(1), OPTIONS)).toThrow(ShapeError);
    expect(tf.memory().numTensors).toBe(before);
  });
});
