// The center head where @caddet's parts take it: by configuration, in a detector, in a file.
import { ConfigError, createRandom, ShapeError } from "@caddet/core";
import { buildDetector, deserializeDetector, parseModelConfig, serializeDetector } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { centerFactory } from "../src/center-factory";
import { parts } from "../src/run";

const CONTEXT = { inChannels: 4, strides: [8, 16], numClasses: 2 };
const model = () => parseModelConfig({ backbone: { preset: "tiny" }, head: { type: "center", channels: 8 } }, parts);
const head = () => centerFactory.build(centerFactory.parse({ channels: 8 }), { ...CONTEXT, random: createRandom(0) });

beforeAll(() => prepareBackend({ backend: "wasm" }));

it("checks its configuration and names a wrong key by its path", () => {
  expect(model().head).toMatchObject({ type: "center", lossWeights: { size: 0.1 }, test: { maxPerImage: 100 } });
  expect(() => parseModelConfig({ head: { chanels: 8 } }, parts)).toThrow(/model\.head\.chanels.*"channels"/);
  expect(() => parseModelConfig({ head: { type: "centre" } }, parts)).toThrow(ConfigError);
});

it("predicts at the finest level, whatever the sizes of the others", () => {
  const maps = [tf.ones<tf.Rank.R4>([2, 6, 9, 4]), tf.ones<tf.Rank.R4>([2, 3, 5, 4])];
  const center = head();
  const before = tf.memory().numTensors;
  const raw = center.forward({ maps, strides: [8, 16] });
  expect([raw.heat.shape, raw.size.shape, raw.offset.shape]).toEqual([
    [2, 6, 9, 2],
    [2, 6, 9, 2],
    [2, 6, 9, 2],
  ]);
  center.disposeRaw(raw);
  expect(() => center.forward({ maps, strides: [8, 32] })).toThrow(ShapeError);
  expect(() => center.forward({ maps: [], strides: [8, 16] })).toThrow(/4 channels at strides \[8,16\]/);
  expect(tf.memory().numTensors).toBe(before);
  center.dispose();
  expect(tf.memory().numTensors).toBe(before - [...center.stateDict()].length);
});

it("has at least the weights that it announces", () => {
  const config = centerFactory.parse({ channels: 8 });
  const context = { ...CONTEXT, random: createRandom(0) };
  const center = centerFactory.build(config, context);
  const weights = [...center.namedParameters().values()].reduce((n, { variable }) => n + variable.size, 0);
  const announced = centerFactory.minWeights!(config, context);
  expect(announced).toBeLessThanOrEqual(weights);
  expect(announced).toBeGreaterThan(0.9 * weights);
});

it("comes back from a checkpoint and detects the same", async () => {
  const config = model();
  const before = tf.memory().numTensors;
  const detector = buildDetector(config, { parts, numClasses: 2, random: createRandom(3) });
  const classes = ["a", "b"].map((name, id) => ({ id, name }));
  const bytes = await serializeDetector({ detector, config, classes, metadata: {} });
  const loaded = deserializeDetector(bytes, { parts, file: "center.safetensors" });
  expect(loaded.config).toEqual(config);
  const images = tf.randomNormal<tf.Rank.R4>([1, 64, 64, 3], 0, 1, "float32", 5);
  const size = { height: 64, width: 64 };
  const [first, second] = [await detector.detect(images, [size]), await loaded.detector.detect(images, [size])];
  expect(first.detections[0]!.labels.length).toBeGreaterThan(0);
  expect(second.detections).toEqual(first.detections);
  images.dispose();
  detector.dispose();
  loaded.detector.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
