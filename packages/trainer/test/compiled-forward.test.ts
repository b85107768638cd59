// Training with graphs is training without them: the same losses, gates and weights to rounding. What draws random gates stays as it is.
import { createRandom, readState } from "@caddet/core";
import { graphRecorder } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { compiledForward, createTrainer, type StepRecord, type TrainConfigInput } from "../src";
import { squares, squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

const isHere = backends.includes("tfjs-node");

describe.skipIf(!isHere)(isHere ? "graphs on tfjs-node" : "graphs on tfjs-node, which is not here", () => {
  beforeAll(() => useBackend("tfjs-node"));

  async function train(withGraphs: boolean, overrides: TrainConfigInput) {
    const config = tinyConfig(overrides);
    const random = createRandom(1);
    const detector = tinyDetector(config, random);
    const records: StepRecord[] = [];
    const trainer = createTrainer({
      detector,
      batches: squares(3),
      config,
      random,
      hooks: [{ name: "recorder", onStep: (record) => void records.push(record) }],
      graphs: withGraphs ? graphRecorder() : undefined,
    });
    await trainer.run();
    const arrays = await readState(detector);
    trainer.dispose();
    detector.dispose();
    return { losses: records.map((r) => r.loss), open: records.map((r) => r.openPaths), arrays };
  }

  it.each<{ what: string; overrides: TrainConfigInput }>([
    { what: "SGD", overrides: {} },
    { what: "AdamW", overrides: { optimizer: { type: "adamw", lr: 1e-3 } } },
    { what: "layers that are computed again", overrides: { memory: { checkpoint: "layer" } } },
    { what: "random gates", overrides: { model: { backbone: { noise: 1 } } } },
  ])("train alike: $what", async ({ overrides }) => {
    const before = tf.memory().numTensors;
    const [got, wanted] = [await train(true, overrides), await train(false, overrides)];
    expect(got.open).toEqual(wanted.open);
    for (const [i, loss] of wanted.losses.entries()) {
      for (const [name, value] of Object.entries(loss)) expect(got.losses[i]![name]).toBeCloseTo(value, 3);
    }
    for (const [name, { data }] of wanted.arrays) {
      const own = got.arrays.get(name)!.data;
      for (const [k, value] of data.entries()) expect(Math.abs(Number(own[k]) - Number(value))).toBeLessThan(1e-2);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    { noise: 0, graphs: 1, refusal: undefined },
    { noise: 1, graphs: 0, refusal: "its operations or constants were not the same twice" },
  ])("makes $graphs graph of gates with noise $noise", ({ noise, ...wanted }) => {
    const detector = tinyDetector(tinyConfig({ model: { backbone: { noise } } }), 1);
    const pass = compiledForward(detector, graphRecorder()!, false);
    const { images, shape } = squaresBatch(0);
    const variables = [...detector.namedParameters().values()].map(({ variable }) => variable);
    for (let i = 0; i < 3; i++) {
      tf.tidy(() => {
        const x = tf.tensor4d(images, [...shape]);
        tf.variableGrads(() => tf.sum(pass.forward(x).gates!.values) as tf.Scalar, variables);
      });
    }
    const { graphs, refusal } = pass.compiled;
    expect({ graphs, refusal }).toEqual(wanted);
    pass.dispose();
    detector.dispose();
  });
});
