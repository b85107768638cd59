// Weights of another training: what fits is taken, the rest is told, nothing is half done.
import { CheckpointError, createRandom, readState, type StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { buildDetector, type Detector, loadWeights, parseModelConfig } from "../src";
import { peakFactory, poolFactory } from "./fake-factories";

const parts = { backbones: [poolFactory], heads: [peakFactory] };
const build = (numClasses: number, seed: number): Detector =>
  buildDetector(parseModelConfig({ backbone: { channels: 5 } }, parts), {
    parts,
    numClasses,
    random: createRandom(seed),
  });

describe.each(backends)("loadWeights on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  let own: Detector;
  let other: Detector;

  beforeEach(() => {
    own = build(2, 0);
    other = build(3, 1);
  });
  afterEach(() => {
    own.dispose();
    other.dispose();
  });

  it("takes what fits and names the rest", async () => {
    const before = await readState(own);
    const state = await readState(other);
    const extra: StoredArray = { dtype: "F32", shape: [1], data: Float32Array.of(1) };
    const tensors = tf.memory().numTensors;
    const report = loadWeights(own, new Map([...state, ["classifier.weight", extra]]));
    expect(tf.memory().numTensors).toBe(tensors);

    const wider = [...state].filter(([name, { shape }]) => shape.join() !== before.get(name)!.shape.join());
    expect(wider.length).toBeGreaterThan(0); // the head of three classes
    expect(report.mismatched).toEqual(wider.map(([name]) => name));
    expect(report.unexpected).toEqual(["classifier.weight"]);
    expect(report.missing).toEqual([]);
    const after = await readState(own);
    for (const name of report.loaded) expect(after.get(name)).toEqual(state.get(name));
    for (const name of report.mismatched) expect(after.get(name)).toEqual(before.get(name));
    expect(report.loaded.length + report.mismatched.length).toBe(before.size);
  });

  it("refuses all or nothing when strict, and a file of which nothing fits", async () => {
    const before = await readState(own);
    const state = await readState(other);
    expect(() => loadWeights(own, state, { strict: true })).toThrow(CheckpointError);
    expect(() => loadWeights(own, new Map())).toThrow("None of the 0 arrays fits");
    const renamed = new Map([...state].map(([name, array]) => [`module.${name}`, array]));
    expect(() => loadWeights(own, renamed)).toThrow(/None of the \d+ arrays fits: the file has module\./);
    expect(await readState(own)).toEqual(before);

    const same = build(2, 1);
    const report = loadWeights(own, await readState(same), { strict: true });
    expect(report).toMatchObject({ missing: [], unexpected: [], mismatched: [] });
    expect(await readState(own)).toEqual(await readState(same));
    same.dispose();
  });
});
