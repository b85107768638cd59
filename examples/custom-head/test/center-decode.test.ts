// Boxes of the center head: back from perfect maps, peaks, order, image sizes, and predictions that are NaN.
import { type GroundTruth, ShapeError } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeCenters, peakScores } from "../src/center-decode";
import type { CenterRaw } from "../src/center-raw";
import { centerTargets } from "../src/center-targets";

const GRID = { height: 8, width: 10, stride: 8, numClasses: 3 };
const OPTIONS = { stride: 8, scoreThreshold: 0.3, maxPerImage: 100 };
const SIZE = { height: 64, width: 80 };
const TRUTH: GroundTruth = {
  boxes: Float32Array.of(3, 5, 30, 22, 40, 30, 79, 60, 40, 2, 52, 14),
  labels: Int32Array.of(0, 2, 1),
  crowd: new Uint8Array(3),
};

function perfect(truths: readonly GroundTruth[]): CenterRaw {
  const { heat, size, offset } = centerTargets(truths, GRID);
  const shape = [truths.length, GRID.height, GRID.width] as const;
  const logits = heat.map((v) => (v === 1 ? 6 : 4 * v - 6));
  return {
    heat: tf.tensor4d(logits, [...shape, GRID.numClasses]),
    size: tf.tensor4d(size, [...shape, 2]),
    offset: tf.tensor4d(offset, [...shape, 2]),
  };
}

beforeAll(() => prepareBackend({ backend: "wasm" }));

describe("peakScores", () => {
  it("keeps the cells that no neighbour of their class exceeds", () => {
    const heat = tf.tensor4d([1, 2, 1, 0, 3, 3], [1, 1, 6, 1]);
    const kept = [...peakScores(heat).dataSync()].map((v) => v > 0);
    expect(kept).toEqual([false, true, false, false, true, true]);
    expect(peakScores(tf.zeros([1, 1, 1, 1])).dataSync()[0]).toBeCloseTo(0.5, 6);
  });
});

describe("decodeCenters", () => {
  it("gives back the boxes that the maps were made of, best first", async () => {
    const empty = { boxes: new Float32Array(0), labels: new Int32Array(0), crowd: new Uint8Array(0) };
    const [found, none] = await decodeCenters(perfect([TRUTH, empty]), [SIZE, SIZE], OPTIONS);
    expect(none!.labels).toHaveLength(0);
    expect([...found!.labels].sort()).toEqual([0, 1, 2]);
    for (const [n, label] of found!.labels.entries()) {
      const at = TRUTH.labels.indexOf(label);
      for (let i = 0; i < 4; i++) expect(found!.boxes[4 * n + i]).toBeCloseTo(TRUTH.boxes[4 * at + i]!, 3);
    }
    expect([...found!.scores]).toEqual([...found!.scores].sort((a, b) => b - a));
  });

  it("keeps the best, clamps to the image and goes to source pixels", async () => {
    const raw = perfect([TRUTH]);
    const [one] = await decodeCenters(raw, [SIZE], { ...OPTIONS, maxPerImage: 1 });
    expect(one!.labels).toHaveLength(1);
    const [small] = await decodeCenters(raw, [{ height: 64, width: 60, scaleX: 0.5, scaleY: 2 }], OPTIONS);
    const at = 4 * small!.labels.indexOf(2);
    expect([...small!.boxes.subarray(at, at + 4)].map((v) => Math.round(v))).toEqual([80, 15, 120, 30]);
  });

  it("gives nothing for a prediction that is NaN", async () => {
    const raw = perfect([TRUTH]);
    const nan = tf.fill(raw.size.shape, Number.NaN) as tf.Tensor4D;
    const [found] = await decodeCenters({ ...raw, size: nan }, [SIZE], OPTIONS);
    expect(found!.labels).toHaveLength(0);
    const [dark] = await decodeCenters({ ...raw, heat: tf.mul(raw.heat, Number.NaN) }, [SIZE], OPTIONS);
    expect(dark!.labels).toHaveLength(0);
  });

  it("leaves no tensor behind, also when it fails", async () => {
    const raw = perfect([TRUTH]);
    const before = tf.memory().numTensors;
    await decodeCenters(raw, [SIZE], OPTIONS);
    await expect(decodeCenters(raw, [], OPTIONS)).rejects.toThrow(ShapeError);
    expect(tf.memory().numTensors).toBe(before);
  });
});
