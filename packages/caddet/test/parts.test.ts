// The parts of the command line, through configuration, detector and file: what the packages' own tests do with stand-ins.
import { createRandom, parseSafetensors, readState, serializeSafetensors } from "@caddet/core";
import { buildDetector, deserializeDetector, parseModelConfig, serializeDetector } from "@caddet/detector";
import { FcosHead, RetinaHead } from "@caddet/heads";
import { prepareBackend } from "@caddet/runtime/node";
import { Supernet } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { parts } from "../src/parts";

const CLASSES = [
  { id: 1, name: "cat" },
  { id: 2, name: "dog" },
];
const TINY = {
  backbone: { preset: "tiny" },
  head: { stackedConvs: 1, tower: "separable", groups: 4, test: { scoreThreshold: 0.005 } },
};
const RETINA = { ...TINY, head: { ...TINY.head, type: "retinanet" } };

const built = (input: unknown) => {
  const config = parseModelConfig(input, parts);
  return { config, detector: buildDetector(config, { parts, numClasses: CLASSES.length, random: createRandom(3) }) };
};

beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});

describe("parts", () => {
  it("are the paper's network with FCOS by default", () => {
    expect(parseModelConfig({}, parts)).toMatchObject({
      backbone: { type: "supernet", preset: "paper" },
      head: { type: "fcos", stackedConvs: 4, norm: "group" },
    });
  });

  it.each([
    [{ head: { stackedConv: 1 } }, 'model.head.stackedConv: unknown key. Did you mean "stackedConvs"?'],
    [{ head: { type: "retinanet", centerSampling: true } }, "model.head.centerSampling: unknown key."],
    [{ head: { type: "ssd" } }, 'model.head.type: there is no head "ssd". Known are fcos, retinanet.'],
    [{ backbone: { test: {} } }, "model.backbone.test: unknown key."],
  ])("refuse %j", (input, message) => {
    expect(() => parseModelConfig(input, parts)).toThrow(message);
  });

  it.each([
    ["fcos", TINY, FcosHead],
    ["retinanet", RETINA, RetinaHead],
  ] as const)("make a detector with %s that its file gives back", async (type, input, head) => {
    const before = tf.memory().numTensors;
    const { config, detector } = built(input);
    expect(config.head.type).toBe(type);
    expect(detector.backbone).toBeInstanceOf(Supernet);
    expect(detector.head).toBeInstanceOf(head);
    const bytes = await serializeDetector({ detector, config, classes: CLASSES, metadata: {} });
    const read = deserializeDetector(bytes, { parts });
    expect(read.config).toEqual(config);
    expect(await readState(read.detector)).toEqual(await readState(detector));
    const images = tf.randomNormal([1, 48, 40, 3], 0, 1, "float32", 4) as tf.Tensor4D;
    const sizes = [{ height: 48, width: 40 }];
    const [want, got] = [await detector.detect(images, sizes), await read.detector.detect(images, sizes)];
    expect(want.detections[0]!.scores.length).toBeGreaterThan(0);
    expect(got).toEqual(want);
    images.dispose();
    detector.dispose();
    read.detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    { ...TINY, backbone: { preset: "paper" } },
    { ...TINY, backbone: { channels: [2 ** 50], layers: 1000 } },
    { ...TINY, head: { channels: 2 ** 50 } },
    { ...TINY, head: { channels: 512, stackedConvs: 1000 } },
    { ...RETINA, head: { type: "retinanet", anchors: { ratios: new Array(100).fill(1), scalesPerOctave: 100 } } },
  ])("build nothing that a small file does not hold the weights of: %j", async (model) => {
    const { config, detector } = built(TINY);
    const bytes = await serializeDetector({ detector, config, classes: CLASSES, metadata: {} });
    detector.dispose();
    const { arrays, metadata } = parseSafetensors(bytes);
    const small = serializeSafetensors(arrays, { ...metadata, model: JSON.stringify(model) });
    const before = tf.memory().numTensors;
    expect(() => deserializeDetector(small, { parts })).toThrow(/ask for at least \d\S* weights, the file has \d+\./);
    expect(tf.memory().numTensors).toBe(before);
  });
});
