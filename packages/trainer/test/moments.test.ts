// Running moments held still, and computed afresh: against the moments of all values together, in float64.
import { BatchNorm, readState } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createTrainer, freezeMoments, recomputeMoments } from "../src";
import { normsOf } from "../src/moments";
import { squares, squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

// What comes out of the tiny backbone's convolution, which is what its normalisation sees.
async function seenByNorm(detector: ReturnType<typeof tinyDetector>, streams: readonly number[]): Promise<number[][]> {
  const [norm] = normsOf(detector);
  const channels = norm!.runningMean.size;
  const seen: number[][] = Array.from({ length: channels }, () => []);
  const inputs: tf.Tensor[] = [];
  const apply = norm!.apply.bind(norm);
  norm!.apply = (x, options) => {
    inputs.push(tf.keep(tf.clone(x)));
    return apply(x, options);
  };
  for (const stream of streams) {
    const { images, shape } = squaresBatch(0, stream);
    tf.tidy(() => void detector.forward(tf.tensor4d(images, [...shape]), { training: false }));
  }
  Reflect.deleteProperty(norm!, "apply");
  for (const x of inputs) for (const [i, value] of (await x.data()).entries()) seen[i % channels]!.push(value);
  tf.dispose(inputs);
  return seen;
}

describe.each(backends)("moments on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it.each([undefined, 1])("are those of all batches together (micro batches: %s)", async (microBatch) => {
    const detector = tinyDetector(tinyConfig(), 3);
    const seen = await seenByNorm(detector, [0, 1, 2]);
    const weights = await readState(detector);
    const before = tf.memory().numTensors;
    expect(await recomputeMoments(detector, squares(5).epoch(0), { count: 3, microBatch })).toBe(3);
    expect(tf.memory().numTensors).toBe(before);
    const [norm] = normsOf(detector);
    expect(norm!.momentum).toBe(0.1);
    const [means, variances] = [await norm!.runningMean.data(), await norm!.runningVariance.data()];
    for (const [c, values] of seen.entries()) {
      const mean = values.reduce((a, b) => a + b) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      expect(means[c]).toBeCloseTo(mean, 5);
      // each batch's variance is the unbiased one, of at least 16 values
      expect(Math.abs(variances[c]! / variance - 1)).toBeLessThan(1 / 15);
    }
    for (const [name, { data }] of await readState(detector)) {
      if (!name.includes("running")) expect(data).toEqual(weights.get(name)!.data);
    }
    detector.dispose();
  });
});

describe("moments", () => {
  beforeAll(() => useBackend("wasm"));

  it("look at what there is when batches are fewer, and stay when there are none or they fail", async () => {
    const detector = tinyDetector(tinyConfig(), 3);
    expect(await recomputeMoments(detector, squares(2).epoch(0), { count: 9 })).toBe(2);
    const state = await readState(detector);
    expect(await recomputeMoments(detector, squares(2).epoch(0, { startBatch: 2 }), { count: 9 })).toBe(0);
    async function* failing() {
      yield squaresBatch(0);
      throw new Error("disk");
    }
    const before = tf.memory().numTensors;
    await expect(recomputeMoments(detector, failing(), { count: 9 })).rejects.toThrow("disk");
    expect(await readState(detector)).toEqual(state);
    expect(normsOf(detector)[0]).toMatchObject({ momentum: 0.1, frozen: false });
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  });

  it("that are frozen stay, while scales, shifts and weights are trained; afterwards they move again", async () => {
    const config = tinyConfig({ batchNorm: { mode: "frozen" }, schedule: { maxSteps: 2 } });
    const detector = tinyDetector(config, 3);
    await recomputeMoments(detector, squares(3).epoch(0), { count: 3 });
    const before = await readState(detector);
    const trainer = createTrainer({ detector, batches: squares(3), config });
    await trainer.run();
    const after = await readState(detector);
    const same = [...after].filter(([name, { data }]) => String(data) === String(before.get(name)!.data));
    expect(same.map(([name]) => name)).toEqual(["backbone.norm.runningMean", "backbone.norm.runningVariance"]);
    expect(normsOf(detector)[0]!.frozen).toBe(false);
    trainer.dispose();
    detector.dispose();
  });

  it("are found in every part, and frozen and freed together", () => {
    const detector = tinyDetector(tinyConfig(), 3);
    const norms = normsOf(detector);
    expect(norms).toHaveLength(1);
    expect(norms[0]).toBeInstanceOf(BatchNorm);
    freezeMoments(detector, true);
    expect(norms[0]!.frozen).toBe(true);
    freezeMoments(detector, false);
    expect(norms[0]!.frozen).toBe(false);
    detector.dispose();
  });

  it("are computed at the end of a run, for the weights and for their average, before the last epoch's hooks", async () => {
    const run = async (preciseBatches: number) => {
      const config = tinyConfig({ batchNorm: { preciseBatches }, ema: { decay: 0.9 }, schedule: { epochs: 2 } });
      const detector = tinyDetector(config, 3);
      const seen: unknown[] = [];
      const hook = { name: "look", onEpoch: async () => void seen.push(await readState(detector)) };
      const trainer = createTrainer({ detector, batches: squares(3), config, hooks: [hook] });
      await trainer.run();
      const [live, average] = [await readState(detector), await trainer.withAverage(() => readState(detector))];
      expect(seen[1]).toEqual(live);
      const fresh = async (state: typeof live) => {
        detector.loadStateDict(state);
        await recomputeMoments(detector, squares(3).epoch(1), { count: 2 });
        return readState(detector);
      };
      const settled = [await fresh(live), await fresh(average)];
      trainer.dispose();
      detector.dispose();
      return { ends: [live, average], settled };
    };
    const precise = await run(2);
    expect(precise.ends).toEqual(precise.settled);
    const running = await run(0);
    expect(running.ends).not.toEqual(running.settled);
  });
});
