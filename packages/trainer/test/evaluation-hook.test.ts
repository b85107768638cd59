import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { createTrainer, evaluationHook, type Metrics, type TrainHook } from "../src";
import { squares, tinyConfig, tinyDetector } from "./tiny-run";

describe("evaluationHook", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "wasm" });
  });

  it("evaluates every so many epochs and after the last, and tells the others", async () => {
    const before = tf.memory().numTensors;
    const config = tinyConfig({ schedule: { epochs: 5 }, checkpoint: { best: "loss", bestIs: "lowest" } });
    const detector = tinyDetector(config, 1);
    const told: (readonly [number, Metrics])[] = [];
    const listener: TrainHook = {
      name: "listener",
      onEvaluation: (metrics, { position }) => void told.push([position.step, metrics]),
    };
    const evaluate = async (_: unknown, epoch: number) => ({ loss: Math.abs(epoch - 3) });
    const hooks = [evaluationHook({ evaluate, everyEpochs: 2 }), listener];
    const trainer = createTrainer({ detector, batches: squares(2), config, hooks });
    await trainer.run();
    expect(told).toEqual([
      [4, { loss: 2 }],
      [8, { loss: 0 }],
      [10, { loss: 1 }],
    ]);
    expect(trainer.state.evaluation).toEqual({ step: 10, metrics: { loss: 1 } });
    expect(trainer.state.best).toEqual({ step: 8, value: 0 });
    trainer.dispose();
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
