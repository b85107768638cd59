import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import {
  BatchNorm,
  CheckpointError,
  createRandom,
  Linear,
  Module,
  parseSafetensors,
  readState,
  serializeSafetensors,
} from "../src";

class Block extends Module {
  readonly scale = this.parameter("scale", tf.tensor1d([2]), "weight", {
    learningRateMultiplier: 3,
    decayMultiplier: 0,
  });
  readonly steps = this.buffer("steps", tf.tensor1d([5]));
  readonly linear: Linear;
  readonly norm = this.child("norm", new BatchNorm(2));

  constructor(seed: number) {
    super();
    this.linear = this.child("linear", new Linear({ inFeatures: 2, outFeatures: 2, random: createRandom(seed) }));
  }
}

class Network extends Module {
  readonly first: Block;
  readonly second: Block;

  constructor(seed = 0) {
    super();
    this.first = this.child("first", new Block(seed));
    this.second = this.child("second", new Block(seed + 1));
  }
}

describe.each(backends)("Module on %s", (backend) => {
  const run = (body: () => Promise<void>) => onBackend(backend, body);

  it("names what lies below it by dotted paths, parameters before buffers", () =>
    run(async () => {
      const network = new Network();
      const inBlock = ["scale", "norm.weight", "norm.bias", "linear.weight", "linear.bias"];
      const buffers = ["steps", "norm.runningMean", "norm.runningVariance"];
      const both = (names: string[]) => ["first", "second"].flatMap((block) => names.map((name) => `${block}.${name}`));
      expect([...network.namedParameters().keys()]).toEqual(both(inBlock));
      expect([...network.namedBuffers().keys()]).toEqual(both(buffers));
      expect([...network.stateDict().keys()]).toEqual([...both(inBlock), ...both(buffers)]);
      expect([...network.namedParameters("net.").keys()][0]).toBe("net.first.scale");
      network.dispose();
    }));

  it("walks over all that lies below it, parents first", () =>
    run(async () => {
      const network = new Network();
      const { first, second } = network;
      const all = [network, ...[first, second].flatMap((block) => [block, block.norm, block.linear])];
      expect([...network.modules()]).toEqual(all);
      expect([...first.linear.modules()]).toEqual([first.linear]);
      network.dispose();
    }));

  it("keeps kinds and multipliers, and trains parameters alone", () =>
    run(async () => {
      const block = new Block(0);
      const parameters = block.namedParameters();
      expect(parameters.get("scale")).toEqual({
        variable: block.scale,
        kind: "weight",
        learningRateMultiplier: 3,
        decayMultiplier: 0,
      });
      expect(parameters.get("norm.bias")).toMatchObject({
        kind: "norm",
        learningRateMultiplier: 1,
        decayMultiplier: 1,
      });
      expect(parameters.get("linear.bias")!.kind).toBe("bias");
      expect(block.scale.trainable).toBe(true);
      expect(block.steps.trainable).toBe(false);
      block.dispose();
    }));

  it("owns its tensors: disposal frees all of them", () =>
    run(async () => {
      const before = tf.memory().numTensors;
      const network = new Network();
      expect(tf.memory().numTensors).toBe(before + network.stateDict().size);
      const { scale } = network.first;
      network.dispose();
      expect(tf.memory().numTensors).toBe(before);
      expect(scale.isDisposed).toBe(true);
    }));

  it("carries its state to another module, through a file", () =>
    run(async () => {
      const [a, b] = [new Network(0), new Network(10)];
      const state = await readState(a);
      expect(await readState(b)).not.toEqual(state);
      const { arrays } = parseSafetensors(serializeSafetensors(state));
      const report = b.loadStateDict(arrays);
      expect(report).toEqual({ loaded: [...a.stateDict().keys()], missing: [], unexpected: [] });
      expect(await readState(b)).toEqual(state);
      a.dispose();
      b.dispose();
    }));

  it("reads copies that later steps leave alone", () =>
    run(async () => {
      const block = new Block(0);
      const state = await readState(block);
      tf.tidy(() => block.scale.assign(tf.tensor1d([9])));
      expect(state.get("scale")).toEqual({ dtype: "F32", shape: [1], data: Float32Array.of(2) });
      block.dispose();
    }));

  it("refuses names that do not match when strict, and loads the others when not", () =>
    run(async () => {
      const [a, b] = [new Block(0), new Block(1)];
      const state = await readState(a);
      state.delete("scale");
      state.set("head.weight", { dtype: "F32", shape: [1], data: new Float32Array(1) });
      const before = await readState(b);
      expect(() => b.loadStateDict(state)).toThrow(
        "The weights belong to another model: 1 names are missing (scale), 1 are unknown (head.weight).",
      );
      expect(await readState(b)).toEqual(before);
      const report = b.loadStateDict(state, { strict: false });
      expect(report.missing).toEqual(["scale"]);
      expect(report.unexpected).toEqual(["head.weight"]);
      expect(await readState(b)).toEqual(new Map([...(await readState(a)), ["scale", before.get("scale")!]]));
      a.dispose();
      b.dispose();
    }));

  it("says what would match without a change, and fails where loading would", () =>
    run(async () => {
      const [a, b] = [new Block(0), new Block(1)];
      const state = await readState(a);
      const before = await readState(b);
      const tensors = tf.memory().numTensors;
      expect(b.checkStateDict(state)).toEqual({ loaded: [...state.keys()], missing: [], unexpected: [] });
      expect(await readState(b)).toEqual(before);
      expect(tf.memory().numTensors).toBe(tensors);
      state.delete("scale");
      expect(() => b.checkStateDict(state)).toThrow(/1 names are missing \(scale\)/);
      expect(b.checkStateDict(state, { strict: false }).missing).toEqual(["scale"]);
      a.dispose();
      b.dispose();
    }));

  it("cuts long lists of names in its message, not in its details", () =>
    run(async () => {
      const network = new Network();
      let error: unknown;
      try {
        network.loadStateDict(new Map());
      } catch (e) {
        error = e;
      }
      expect(error).toBeInstanceOf(CheckpointError);
      expect((error as CheckpointError).message).toContain("16 names are missing (first.scale, first.norm.weight, ");
      expect((error as CheckpointError).message).toContain(", …)");
      expect((error as CheckpointError).details.missing).toEqual([...network.stateDict().keys()]);
      network.dispose();
    }));

  // The last of the names is wrong, so that a check on the way would have changed the others already.
  it.each([
    [
      "another shape",
      { dtype: "F32", shape: [1, 2], data: new Float32Array(2) },
      "has shape [1,2], this model needs [2]",
    ],
    ["another type", { dtype: "I32", shape: [2], data: new Int32Array(2) }, "is not float32"],
    ["too few numbers", { dtype: "F32", shape: [2], data: new Float32Array(1) }, "needs 2 numbers, got 1"],
  ] as const)("changes nothing when an array has %s", (_, array, text) =>
    run(async () => {
      const [a, b] = [new Block(0), new Block(1)];
      const name = [...a.stateDict().keys()].at(-1)!;
      const state = new Map([...(await readState(a)), [name, array]]);
      const before = await readState(b);
      for (const strict of [true, false]) {
        expect(() => b.loadStateDict(state, { strict })).toThrow(CheckpointError);
        expect(() => b.loadStateDict(state, { strict })).toThrow(text);
      }
      expect(await readState(b)).toEqual(before);
      a.dispose();
      b.dispose();
    }),
  );
});
