import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  createTrainer,
  leakSentinel,
  type StepRecord,
  TensorLeakError,
  type TrainConfigInput,
  type Trainer,
} from "../src";
import { squares, tinyConfig, tinyDetector } from "./tiny-run";

const held: tf.Tensor[] = [];

/** Trains while each step calls `leak`, and frees what it left. */
async function train(leak: (step: number) => void, overrides: TrainConfigInput = {}) {
  const config = tinyConfig({ leakSteps: 8, schedule: { epochs: 4 }, ...overrides });
  const detector = tinyDetector(config, 1);
  const hook = { name: "leaky", onStep: ({ step }: StepRecord) => leak(step) };
  const trainer = createTrainer({ detector, batches: squares(8), config, hooks: [hook] });
  const error = await trainer.run().catch((e: unknown) => e);
  const { step } = trainer.position;
  tf.dispose(held.splice(0));
  trainer.dispose();
  detector.dispose();
  return { error, step };
}

describe("leakSentinel", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "wasm" });
  });

  it("stops a run that leaks, soon, and names what, by which kernel and where", async () => {
    const before = tf.memory().numTensors;
    const { error, step } = await train(() => {
      const a = tf.ones([3, 2]);
      held.push(a, tf.add(a, 1), tf.add(a, 2));
    });
    expect(error).toBeInstanceOf(TensorLeakError);
    expect(step).toBe(9);
    const { message, details } = error as TensorLeakError;
    expect(message).toMatch(
      /^Step 9: \d+ tensors are alive; before, they became 18 more in 6 steps\. The last one left behind /,
    );
    expect(message).toMatch(/1 × float32 \[3,2\] made by Add at .*leak-sentinel\.test\.ts:/);
    expect(message).toMatch(/set leakSteps to 0/);
    const { leaked } = details as unknown as { leaked: { count: number; shape: number[] }[] };
    expect(leaked.reduce((n, { count }) => n + count, 0)).toBe(3);
    expect(leaked.every(({ shape }) => shape.join() === "3,2")).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
    // the engine is as it was
    expect(Object.hasOwn(tf.engine(), "trackTensor")).toBe(false);
    expect(Object.hasOwn(tf.engine(), "runKernel")).toBe(false);
  });

  it("finds a slow leak, too", async () => {
    const { error } = await train((step) => {
      if (step % 2 === 0) held.push(tf.scalar(step));
    });
    expect(error).toBeInstanceOf(TensorLeakError);
  });

  it("lets a run be that keeps something once, or keeps a few and frees them again", async () => {
    const once = await train((step) => {
      if (step < 6) held.push(tf.scalar(step));
    });
    expect(once).toEqual({ error: undefined, step: 32 });
    const waves = await train((step) => {
      if (step % 5 === 0) tf.dispose(held.splice(0));
      else held.push(tf.scalar(step));
    });
    expect(waves).toEqual({ error: undefined, step: 32 });
  });

  it("is off at 0", async () => {
    const { error, step } = await train(() => void held.push(tf.scalar(1)), { leakSteps: 0 });
    expect({ error, step }).toEqual({ error: undefined, step: 32 });
  });

  it("gives the engine back when the run ends in between", async () => {
    const hook = leakSentinel(4);
    const trainer = {} as Trainer;
    await hook.onStart!(trainer);
    for (let step = 1; step <= 4; step++) await hook.onStep!({ step, tensors: step } as StepRecord, trainer);
    expect(Object.hasOwn(tf.engine(), "trackTensor")).toBe(true);
    await hook.onClose!(trainer);
    expect(Object.hasOwn(tf.engine(), "trackTensor")).toBe(false);
  });
});
