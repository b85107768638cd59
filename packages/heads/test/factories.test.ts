// Both heads as parts of a configuration.
import { ConfigError, createRandom } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { useBackend } from "#test/backends";
import { fcosFactory, retinaFactory } from "../src";

const strides = [8, 16, 32];
const context = () => ({ inChannels: 6, strides, numClasses: 3, random: createRandom(0) });
const at = "model.head";

beforeAll(() => useBackend("cpu"));

const TEST = {
  scoreThreshold: 0.05,
  nms: "hard",
  nmsIou: 0.5,
  nmsSigma: 0.5,
  nmsMinScore: 0.001,
  classAgnostic: false,
  nmsPre: 1000,
  maxPerImage: 100,
};

describe("fcosFactory", () => {
  it("defaults to mmdetection's head", () => {
    expect(fcosFactory.parse({})).toEqual({
      type: "fcos",
      stackedConvs: 4,
      tower: "full",
      sharedTowers: false,
      norm: "group",
      groups: 32,
      centerSampling: false,
      centerSampleRadius: 1.5,
      normOnBbox: false,
      centernessOnReg: false,
      boxLoss: "iou",
      normaliser: "mmdet-2.3",
      lossWeights: { classification: 1, box: 1, centerness: 1 },
      test: TEST,
    });
  });

  it("passes the configuration on, and what is in front of the head", () => {
    const before = tf.memory().numTensors;
    const regressRanges = strides.map((s): [number, number] => [s, 2 * s]);
    const given = { stackedConvs: 1, groups: 2, boxLoss: "giou", centerSampling: true, regressRanges } as const;
    const head = fcosFactory.build(fcosFactory.parse({ ...given, test: { maxPerImage: 7 } }), context());
    const { inChannels, numClasses } = context();
    expect(head.settings).toMatchObject({ ...given, inChannels, numClasses, strides, channels: inChannels });
    expect(head.settings.test).toEqual({ ...TEST, maxPerImage: 7 });
    head.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses ranges for other levels", () => {
    const config = fcosFactory.parse({ groups: 2, regressRanges: [[0, 1]] });
    expect(() => fcosFactory.build(config, context())).toThrow(/3 strides need as many ranges/);
  });
});

describe("retinaFactory", () => {
  it("defaults to mmdetection's head", () => {
    expect(retinaFactory.parse({})).toEqual({
      type: "retinanet",
      stackedConvs: 4,
      tower: "full",
      sharedTowers: false,
      norm: "none",
      groups: 32,
      anchors: { baseScale: 4, scalesPerOctave: 3, ratios: [0.5, 1, 2] },
      assign: { positiveIou: 0.5, negativeIou: 0.4, minPositiveIou: 0, ignoreIof: -1 },
      boxLoss: "l1",
      flavour: "mmdet-2.3",
      test: TEST,
    });
  });

  it("passes the configuration on, and what is in front of the head", () => {
    const before = tf.memory().numTensors;
    const given = { stackedConvs: 1, tower: "separable", channels: 5, flavour: "mmdet-2.28" } as const;
    const nested = { anchors: { ratios: [1] }, assign: { positiveIou: 0.6 } };
    const head = retinaFactory.build(retinaFactory.parse({ ...given, ...nested }), context());
    expect(head.settings).toMatchObject({ ...given, inChannels: 6, numClasses: 3, strides });
    expect(head.settings.anchors).toEqual({ baseScale: 4, scalesPerOctave: 3, ratios: [1] });
    expect(head.settings.assign).toMatchObject({ positiveIou: 0.6, negativeIou: 0.4 });
    head.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses thresholds that cross", () => {
    const config = retinaFactory.parse({ assign: { positiveIou: 0.3 } });
    expect(() => retinaFactory.build(config, context())).toThrow(/negativeIou 0.4 should not exceed positiveIou 0.3/);
  });
});

describe.each([fcosFactory, retinaFactory])("$type by configuration", (factory) => {
  // The two are not one type: each has a configuration of its own.
  const { parse, build, minWeights } = factory as typeof fcosFactory;

  it("is a fixed point through JSON", () => {
    const config = parse({ channels: 8, groups: 2, test: { nmsIou: 0.4 } });
    expect(parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it.each([
    [{ stackedConv: 1 }, 'model.head.stackedConv: unknown key. Did you mean "stackedConvs"?'],
    [{ test: { nmsIuo: 0.1 } }, 'model.head.test.nmsIuo: unknown key. Did you mean "nmsIou"?'],
    [{ test: { maxPerImage: 0.5 } }, "model.head.test.maxPerImage: "],
    [{ type: "ssd" }, "model.head.type: "],
    [{ stackedConvs: 1001 }, "model.head.stackedConvs: "],
    [{ norm: "layer" }, "model.head.norm: "],
    [{ boxLoss: "l2" }, "model.head.boxLoss: "],
    [{ sharedTowers: 1 }, "model.head.sharedTowers: "],
    [{ test: { nms: "soft" } }, "model.head.test.nms: "],
    [{ test: { nmsSigma: 0 } }, "model.head.test.nmsSigma: "],
    [[], "model.head: "],
  ])("refuses %j", (config, message) => {
    expect(() => parse(config, at)).toThrow(message);
    expect(() => parse(config, at)).toThrow(ConfigError);
  });

  it("keeps no tensor when the groups do not divide the channels", () => {
    const before = tf.memory().numTensors;
    const config = parse({ norm: "group", groups: 5 });
    expect(() => build(config, context())).toThrow(/6 channels do not split into 5 groups/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    { stackedConvs: 0 },
    { stackedConvs: 1, channels: 4, tower: "separable" },
    { stackedConvs: 3, channels: 9, tower: "full" },
    { stackedConvs: 2, tower: "separable" },
    { stackedConvs: 3, channels: 9, sharedTowers: true },
  ])("knows a lower bound of its weights for %j, within a factor of 20", (input) => {
    const config = parse({ ...input, norm: "none" });
    const head = build(config, context());
    const weights = [...head.stateDict().values()].reduce((n, v) => n + v.size, 0);
    const least = minWeights?.(config, context());
    expect(least).toBeLessThanOrEqual(weights);
    expect(least).toBeGreaterThan(weights / 20);
    head.dispose();
  });

  it("bounds what no memory could hold", () => {
    const before = tf.memory().numTensors;
    for (const config of [parse({ channels: 2 ** 50 }), parse({ channels: 512, stackedConvs: 1000 })]) {
      expect(minWeights?.(config, context())).toBeGreaterThan(5e8);
    }
    expect(minWeights?.(parse({}), { ...context(), numClasses: 100_000 })).toBeGreaterThan(1e6);
    expect(tf.memory().numTensors).toBe(before);
  });
});
