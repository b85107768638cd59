// The whole way in few steps: both networks learn, and the dynamic one spends less, on clean digits least.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { prepare } from "../src/backend";
import { budgetOf, runOwnNetwork } from "../src/run";

beforeAll(prepare);

it("learns to classify and to spend by traits, and leaves no tensor behind", async () => {
  const before = tf.memory().numTensors;
  const { open, dynamic, total } = await runOwnNetwork({ seed: 0, steps: 150, train: 4000, val: 500 });
  expect(tf.memory().numTensors).toBe(before);
  expect(open.accuracy).toBeGreaterThan(0.5);
  expect(dynamic.accuracy).toBeGreaterThan(0.5);
  expect(open.madds).toBe(total);
  expect(dynamic.madds).toBeLessThan(0.7 * total);
  const [clean, , , spoiled] = dynamic.maddsByTraits as [number, number, number, number];
  expect(spoiled).toBeGreaterThan(1.1 * clean);
}, 120_000);

it("is the same for the same seed", async () => {
  const short = { seed: 3, steps: 3, train: 64, val: 400 };
  expect(await runOwnNetwork(short)).toEqual(await runOwnNetwork(short));
});

it("gives a digit the more, the more it is spoiled", () => {
  const budgets = [0, 1, 2, 3].map((n) => {
    const traits = Uint8Array.from([0, 1, 2], (i) => (i < n ? 1 : 0));
    return budgetOf({ pixels: new Float32Array(144), label: 0, traits });
  });
  expect(budgets).toEqual([0.05, 0.2, 0.35, 0.05 + 0.15 * 3]);
});
