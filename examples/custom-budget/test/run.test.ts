// The whole way on few scenes: what a route costs follows what the mapping looks at, and nothing else.
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { correlation } from "../src/correlation";
import { batchDensities } from "../src/edge-budget";
import { runCustomBudget } from "../src/run";
import { drawScenes, toBatch } from "../src/scenes";

beforeAll(() => prepareBackend({ backend: "wasm" }));

it("draws scenes whose objects and edges have nothing to do with one another", () => {
  const scenes = drawScenes(300, 9);
  expect(drawScenes(2, 9)).toEqual(scenes.slice(0, 2));
  const densities = batchDensities(toBatch(scenes, []));
  const counts = scenes.map(({ truth }) => truth.labels.length);
  expect(Math.abs(correlation(counts, densities))).toBeLessThan(0.15);
  expect(Math.max(...densities)).toBeGreaterThan(5 * Math.min(...densities));
  expect([Math.min(...counts), Math.max(...counts)]).toEqual([1, 8]);
});

it("makes costs follow the mapping, and leaves no tensor behind", async () => {
  const before = tf.memory().numTensors;
  const budgets = ["count", "edges"] as const;
  const outcomes = await runCustomBudget({ seed: 0, steps: 100, train: 256, val: 60, budgets });
  expect(tf.memory().numTensors).toBe(before);
  expect(outcomes.map(({ name }) => name)).toEqual(budgets);
  const [count, edges] = outcomes.map(({ expectedFollows }) => expectedFollows);
  expect(count!.count).toBeGreaterThan(0.5);
  expect(edges!.edges).toBeGreaterThan(0.7);
  expect(count!.count).toBeGreaterThan(Math.abs(edges!.count) + 0.2);
  expect(edges!.edges).toBeGreaterThan(Math.abs(count!.edges) + 0.2);
  for (const { expected, executed } of outcomes) expect(executed).toBeGreaterThan(expected);
}, 120_000);
