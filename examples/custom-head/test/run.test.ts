// The whole way on few scenes: training makes the center head find what it has not seen, the same each time.
import { prepareBackend } from "@caddet/runtime/node";
import type { StepRecord } from "@caddet/trainer";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { runCustomHead } from "../src/run";

beforeAll(() => prepareBackend({ backend: "wasm" }));

it("learns to find shapes and leaves no tensor behind", async () => {
  const records: StepRecord[] = [];
  const before = tf.memory().numTensors;
  const hooks = [{ name: "records", onStep: (record: StepRecord) => void records.push(record) }];
  const run = await runCustomHead({ seed: 0, steps: 200, train: 256, val: 40, hooks });
  run.detector.dispose();
  expect(tf.memory().numTensors).toBe(before);

  expect(run.untrainedAp).toBeLessThan(0.01);
  expect(run.ap).toBeGreaterThan(0.15);
  expect(run.ap50).toBeGreaterThan(0.4);
  expect(run.sample.result.objects.length).toBeGreaterThan(0);
  expect(Object.keys(records[0]!.loss)).toEqual(["total", "heat", "size", "offset"]);
  expect(Object.keys(records.at(-1)!.loss)).toContain("global");
  const last = records.slice(-20).reduce((sum, { loss }) => sum + loss.heat! / 20, 0);
  expect(last).toBeLessThan(0.5 * records[0]!.loss.heat!);
}, 120_000);

it("is the same for the same seed", async () => {
  const short = { seed: 4, steps: 5, train: 16, val: 4 };
  const losses: number[][] = [[], []];
  for (const own of losses) {
    const hook = { name: "losses", onStep: ({ loss }: StepRecord) => void own.push(loss.total!) };
    (await runCustomHead({ ...short, hooks: [hook] })).detector.dispose();
  }
  expect(losses[0]).toHaveLength(5);
  expect(losses[1]).toEqual(losses[0]);
});
