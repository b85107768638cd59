// What exportOnnx refuses, what it leaves behind, and what a file says of itself.
import { createHash } from "node:crypto";
import {
  type Backbone,
  type BackboneOutput,
  CheckpointError,
  ConfigError,
  createRandom,
  type DetectionHead,
  type Detections,
  Module,
  type Router,
  readState,
} from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import { createPoolRouter, sigmoidGate, tanhGate } from "@caddet/router";
import { createSupernet, PRESETS } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportOnnx, type OnnxOptions } from "../src";
import { LookAlikeRouter, type RouterNode } from "./look-alike-router";
import { fcosDetector, retinaDetector } from "./models";

class GlassBackbone extends Module implements Backbone {
  readonly strides = [1];
  readonly channels = 3;
  forward(images: tf.Tensor4D): BackboneOutput {
    return { features: { maps: [tf.clone(images)], strides: this.strides } };
  }
}

class BlindHead extends Module implements DetectionHead {
  readonly numClasses = 1;
  forward(): undefined {}
  loss(): never {
    throw new Error("it is not trained");
  }
  async decode(): Promise<Detections[]> {
    return [];
  }
  disposeRaw(): void {}
}

async function expectRefused(detector: Detector, options: OnnxOptions, message: RegExp): Promise<void> {
  const before = tf.memory().numTensors;
  const refused = exportOnnx(detector, options);
  await expect(refused).rejects.toThrow(ConfigError);
  await expect(refused).rejects.toThrow(message);
  expect(tf.memory().numTensors).toBe(before);
  detector.dispose();
}

const tiny = (backbone = {}) => createSupernet({ ...PRESETS.tiny, random: createRandom(0), ...backbone });

describe("refuses", () => {
  it("backbones that are no supernet", async () => {
    const detector = composeDetector({ backbone: new GlassBackbone(), head: new BlindHead() });
    await expectRefused(detector, {}, /GlassBackbone cannot be exported/);
  });

  it("heads that it does not know, unless features are wanted", async () => {
    const make = () => composeDetector({ backbone: tiny(), head: new BlindHead() });
    await expectRefused(make(), {}, /BlindHead cannot be exported/);
    await expectRefused(make(), { output: "raw" }, /BlindHead cannot be exported/);
    const detector = make();
    expect((await exportOnnx(detector, { output: "features" })).length).toBeGreaterThan(1000);
    detector.dispose();
  });

  it.each<[string, OnnxOptions, RegExp]>([
    ["an unknown mode", { mode: "fast" as "fixed" }, /mode should be .*"fast"/],
    ["an unknown output", { output: "boxes" as "raw" }, /output should be .*"boxes"/],
    ["a fixed mode without a route", { mode: "fixed" }, /A route belongs to mode "fixed"/],
    ["a route for a model that routes", { route: [1] }, /A route belongs to mode "fixed"/],
    ["a route of another length", { mode: "fixed", route: [1, 0] }, /is 19 gates .* got 2/],
    ["gates outside of 0 to 1", { mode: "fixed", route: Array(19).fill(2) }, /some lie outside/],
    ["gates that are NaN", { mode: "fixed", route: Array(19).fill(Number.NaN) }, /some lie outside/],
    ["a size that is none", { size: { height: 0, width: 64 } }, /size should be positive integers/],
    ["a class table of another length", { classes: [{ id: 1, name: "cat" }] }, /3 classes, the class table 1/],
    ["deviations of zero", { normalise: { mean: [0, 0, 0], std: [1, 0, 1] } }, /positive deviations/],
  ])("%s", async (_, options, message) => {
    await expectRefused(await fcosDetector(), options, message);
  });

  it("soft suppression, unless raw maps are wanted", async () => {
    const make = () => fcosDetector({ head: { test: { nms: "soft-linear" } } });
    await expectRefused(await make(), {}, /ONNX has no soft suppression/);
    const detector = await make();
    expect((await exportOnnx(detector, { output: "raw" })).length).toBeGreaterThan(1000);
    detector.dispose();
  });

  it.each<[string, (node: RouterNode) => Router]>([
    ["of another class", (node) => new LookAlikeRouter(node)],
    ["with a gate of one's own", (node) => createPoolRouter({ ...node, gate: (x) => tf.sigmoid(x) })],
    [
      "whose settings are not those of their weights",
      (node) => Object.assign(new LookAlikeRouter(node), { settings: createPoolRouter(node).settings }),
    ],
  ])("routers %s, unless the route is fixed", async (_, router) => {
    await expectRefused(await fcosDetector({ backbone: { router } }), {}, /router of node 0_0 cannot be exported/);
    const detector = await fcosDetector({ backbone: { router } });
    expect((await exportOnnx(detector, { mode: "fixed", route: Array(19).fill(1) })).length).toBeGreaterThan(1000);
    detector.dispose();
  });

  it("routers that do not all have one gate", async () => {
    const router = ({ channels, paths, random }: RouterNode) =>
      createPoolRouter({ channels, paths, random, gate: channels === 8 ? sigmoidGate() : tanhGate() });
    await expectRefused(await fcosDetector({ backbone: { router } }), {}, /same gate .*sigmoid.* and .*tanh/);
  });

  it("weights that are not finite", async () => {
    const detector = await fcosDetector();
    const state = await readState(detector);
    (state.get("backbone.stem.1.norm.runningMean")!.data as Float32Array)[2] = Number.NaN;
    detector.loadStateDict(state);
    const refused = exportOnnx(detector);
    await expect(refused).rejects.toThrow(CheckpointError);
    await expect(refused).rejects.toThrow(/"backbone.stem.1.norm.runningMean" holds NaN/);
    detector.dispose();
  });
});

describe("a file", () => {
  it("leaves no tensor behind, and is the same each time", async () => {
    const detector = await retinaDetector();
    const before = tf.memory().numTensors;
    const [first, second] = [await exportOnnx(detector), await exportOnnx(detector)];
    expect(tf.memory().numTensors).toBe(before);
    expect(Buffer.from(first).equals(Buffer.from(second))).toBe(true);
    detector.dispose();
  });

  it("names its inputs and outputs with their shapes", async () => {
    const detector = await fcosDetector();
    const session = await ort.InferenceSession.create(await exportOnnx(detector));
    const shapes = (all: readonly ort.InferenceSession.ValueMetadata[]) =>
      Object.fromEntries(all.map((value) => [value.name, value.isTensor ? [value.type, ...value.shape] : []]));
    expect(shapes(session.inputMetadata)).toEqual({
      images: ["float32", "batch", "height", "width", 3],
      sizes: ["float32", "batch", 4],
    });
    expect(shapes(session.outputMetadata)).toEqual({
      boxes: ["float32", "detections", 4],
      scores: ["float32", "detections"],
      labels: ["int32", "detections"],
      image_index: ["int32", "detections"],
      gates: ["float32", "batch", 19],
      madds: ["float64", "batch"],
    });
    await session.release();
    detector.dispose();
  });

  it("ends with the hash of all that lies before it", async () => {
    const detector = await fcosDetector();
    const bytes = Buffer.from(await exportOnnx(detector));
    // Field 14 and its length, then field 1 with the key, then field 2 with 64 letters.
    const start = bytes.lastIndexOf(Buffer.concat([Buffer.of(10, 6), Buffer.from("sha256")])) - 2;
    expect(bytes[start]).toBe(14 * 8 + 2);
    const hash = createHash("sha256").update(bytes.subarray(0, start)).digest("hex");
    expect(bytes.subarray(-64).toString()).toBe(hash);
    detector.dispose();
  });

  it("holds each weight once", async () => {
    const detector = await fcosDetector({ preset: "small" });
    const weights = [...(await readState(detector)).values()].reduce((n, { data }) => n + 4 * data.length, 0);
    const nodes = (await exportOnnx(detector)).length - weights;
    expect(nodes).toBeLessThan(800_000);
    detector.dispose();
  });
});
