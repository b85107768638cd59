// The baselines under both heads, and FPNLite after the supernet: each is built by its configuration, learns, and comes back from its file.
import { fpnLiteFactory, mobileNetV1Factory, mobileNetV2Factory, mobileNetV2FromTorch } from "@caddet/baselines";
import { createRandom, type GroundTruth, type StoredArray } from "@caddet/core";
import {
  buildDetector,
  type Detector,
  deserializeDetector,
  loadWeights,
  type ModelConfigInput,
  type ModelParts,
  parseModelConfig,
  serializeDetector,
} from "@caddet/detector";
import { fcosFactory, retinaFactory } from "@caddet/heads";
import { prepareBackend } from "@caddet/runtime/node";
import { supernetFactory } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";

const parts: ModelParts = {
  backbones: [supernetFactory, mobileNetV1Factory, mobileNetV2Factory],
  necks: [fpnLiteFactory],
  heads: [fcosFactory, retinaFactory],
};
const classes = [
  { id: 1, name: "person" },
  { id: 3, name: "car" },
];
const neck = { depth: 16 };
const small = { width: 0.1, neck };
const bodies: [string, Pick<ModelConfigInput, "backbone" | "neck">][] = [
  ["MobileNetV1", { backbone: { type: "mobilenetv1", ...small } }],
  ["MobileNetV2", { backbone: { type: "mobilenetv2", ...small } }],
  ["supernet + FPNLite", { backbone: { type: "supernet", preset: "tiny" }, neck }],
];
const heads: [string, NonNullable<ModelConfigInput["head"]>][] = [
  ["FCOS", { type: "fcos", stackedConvs: 1, groups: 4 }],
  ["RetinaNet", { type: "retinanet", stackedConvs: 1 }],
];

const truths: GroundTruth[] = [
  { boxes: Float32Array.of(4, 4, 60, 70), labels: Int32Array.of(0), crowd: new Uint8Array(1) },
  { boxes: Float32Array.of(10, 2, 100, 60, 30, 30, 50, 44), labels: Int32Array.of(1, 0), crowd: new Uint8Array(2) },
];

const build = (config: ModelConfigInput): Detector =>
  buildDetector(parseModelConfig(config, parts), { parts, numClasses: classes.length, random: createRandom(0) });

// One step of plain gradient descent; the loss before it.
async function step(detector: Detector, images: tf.Tensor4D, rate: number): Promise<number> {
  const parameters = [...detector.namedParameters().values()].map(({ variable }) => variable);
  const { value, grads } = tf.variableGrads(() => {
    const { raw } = detector.forward(images, { training: true });
    return tf.sum(detector.head.loss(raw, truths).perImage) as tf.Scalar;
  }, parameters);
  tf.tidy(() => {
    for (const variable of parameters) {
      const gradient = grads[variable.name];
      if (gradient) variable.assign(tf.sub(variable, tf.mul(gradient, rate)));
    }
  });
  const [loss] = await value.data();
  tf.dispose([value, ...Object.values(grads)]);
  return loss!;
}

beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});

describe.each(bodies)("%s", (_, body) => {
  it.each(heads)("trains under %s, and its file gives it back", async (_, head) => {
    const before = tf.memory().numTensors;
    const input = { ...body, head };
    const detector = build(input);
    const images = tf.randomNormal<tf.Rank.R4>([2, 75, 107, 3], 0, 1, "float32", 5);
    const { strides, channels } = detector.neck ?? detector.backbone;
    expect({ strides, channels }).toEqual({ strides: [8, 16, 32, 64, 128], channels: 16 });
    const held = tf.memory().numTensors;
    const losses = [];
    for (let i = 0; i < 4; i++) losses.push(await step(detector, images, 0.002));
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);

    const sizes = [
      { height: 75, width: 107 },
      { height: 60, width: 107 },
    ];
    const want = await detector.detect(images, sizes);
    expect("madds" in want).toBe(detector.backbone.routing !== undefined);
    const config = parseModelConfig(input, parts);
    const bytes = await serializeDetector({ detector, config, classes, metadata: {} });
    const read = deserializeDetector(bytes, { parts });
    expect(read.config).toEqual(config);
    expect(await read.detector.detect(images, sizes)).toEqual(want);
    read.detector.dispose();
    expect(tf.memory().numTensors).toBe(held);
    images.dispose();
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("ImageNet weights", () => {
  it("go into a detector's backbone, with a report", () => {
    const detector = build({
      backbone: { type: "mobilenetv2", ...small },
      head: { type: "retinanet", stackedConvs: 0 },
    });
    const ones = (shape: number[]): StoredArray => ({
      dtype: "F32",
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
    });
    const torch = new Map([
      ["features.0.0.weight", ones([8, 3, 3, 3])],
      ["features.18.0.weight", ones([1280, 320, 1, 1])], // of width 1
      ["classifier.1.bias", ones([1000])],
    ]);
    const report = loadWeights(detector.backbone, mobileNetV2FromTorch(torch));
    expect(report.loaded).toEqual(["trunk.0.0.conv.weight"]);
    expect(report.mismatched).toEqual(["trunk.18.0.conv.weight"]);
    expect(report.unexpected).toEqual(["classifier.1.bias"]);
    expect(report.missing).toContain("neck.lateral.0.weight");
    detector.dispose();
  });
});
