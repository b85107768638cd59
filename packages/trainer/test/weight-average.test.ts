import { CheckpointError, createRandom, readState } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { averageDecay, createTrainer, WeightAverage } from "../src";
import { squares, tinyConfig, tinyDetector } from "./tiny-run";

describe("averageDecay", () => {
  it("rises from 2/11 towards the decay", () => {
    expect(averageDecay(0.9998, 1)).toBeCloseTo(2 / 11, 12);
    expect(averageDecay(0.9998, 89)).toBeCloseTo(90 / 99, 12);
    expect(averageDecay(0.9998, 1e6)).toBe(0.9998);
    expect(averageDecay(0.5, 100)).toBe(0.5);
  });
});

describe.each(backends)("WeightAverage on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("follows parameters and buffers by the rule, and keeps no other tensor", async () => {
    const before = tf.memory().numTensors;
    const detector = tinyDetector(tinyConfig(), 1);
    const average = new WeightAverage(detector, 0.9);
    const random = createRandom(2);
    const want = new Map(
      [...(await readState(detector))].map(([name, { data }]) => [name, Float64Array.from(data as Float32Array)]),
    );
    const held = tf.memory().numTensors;
    for (let step = 1; step <= 4; step++) {
      for (const v of detector.stateDict().values()) tf.tidy(() => v.assign(tf.add(v, random.normal())));
      average.update(step);
      const decay = averageDecay(0.9, step);
      for (const [name, { data }] of await readState(detector)) {
        want.set(
          name,
          want.get(name)!.map((w, i) => w * decay + Number(data[i]) * (1 - decay)),
        );
      }
    }
    expect(tf.memory().numTensors).toBe(held);
    for (const [name, { data }] of await average.readState()) {
      for (const [i, w] of want.get(name)!.entries()) expect(Number(data[i])).toBeCloseTo(w, 4);
    }
    average.dispose();
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("exchanges averages and weights, and takes it back to the bit", async () => {
    const detector = tinyDetector(tinyConfig(), 1);
    const average = new WeightAverage(detector, 0.9);
    for (const v of detector.stateDict().values()) tf.tidy(() => v.assign(tf.add(v, 1)));
    const [live, mean] = [await readState(detector), await average.readState()];
    const held = tf.memory().numTensors;
    average.swap();
    expect(await readState(detector)).toEqual(mean);
    expect(await average.readState()).toEqual(live);
    average.swap();
    expect(await readState(detector)).toEqual(live);
    expect(tf.memory().numTensors).toBe(held);
    average.dispose();
    detector.dispose();
  });

  it("takes a state over, and refuses another model's without a change", async () => {
    const detector = tinyDetector(tinyConfig(), 1);
    const average = new WeightAverage(detector, 0.9);
    const other = await readState(tinyDetector(tinyConfig(), 2));
    average.loadState(other);
    expect(await average.readState()).toEqual(other);
    const [name] = other.keys();
    const cut = new Map([...other].slice(1));
    expect(() => average.loadState(cut)).toThrow(CheckpointError);
    expect(() => average.loadState(cut)).toThrow(`The average of "${name}" should be F32`);
    const odd = new Map([...other, [name!, { dtype: "F32", shape: [1], data: new Float32Array(1) } as const]]);
    expect(() => average.loadState(odd)).toThrow(/got F32 \[1\]/);
    expect(await average.readState()).toEqual(other);
    average.dispose();
    detector.dispose();
  });
});

describe("a run with an average", () => {
  beforeAll(() => useBackend("wasm"));

  const run = async (decay: number | null) => {
    const config = tinyConfig({ ema: { decay } });
    const detector = tinyDetector(config, 1);
    const trainer = createTrainer({ detector, batches: squares(3), config });
    await trainer.run();
    const live = await readState(detector);
    const deployed = await trainer.withAverage(() => readState(detector));
    expect(await readState(detector)).toEqual(live);
    trainer.dispose();
    detector.dispose();
    return { live, deployed };
  };

  it("trains the same weights, and deploys others", async () => {
    const before = tf.memory().numTensors;
    const [plain, averaged] = [await run(null), await run(0.9)];
    expect(averaged.live).toEqual(plain.live);
    expect(plain.deployed).toEqual(plain.live);
    expect(averaged.deployed).not.toEqual(averaged.live);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("has its own weights again after a use that fails", async () => {
    const config = tinyConfig({ ema: { decay: 0.9 }, schedule: { maxSteps: 2 } });
    const detector = tinyDetector(config, 1);
    const trainer = createTrainer({ detector, batches: squares(3), config });
    await trainer.run();
    const live = await readState(detector);
    await expect(trainer.withAverage(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await readState(detector)).toEqual(live);
    trainer.dispose();
    detector.dispose();
  });
});
