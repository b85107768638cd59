// From configuration to detector to bytes and back; bytes that are not a detector's.
import {
  CheckpointError,
  ConfigError,
  createRandom,
  parseSafetensors,
  readState,
  type StoredArray,
  serializeSafetensors,
} from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  buildDetector,
  type DetectorBundle,
  deserializeDetector,
  type ModelConfigInput,
  parseModelConfig,
  serializeDetector,
} from "../src";

const INPUT: ModelConfigInput = {
  backbone: { preset: "tiny" },
  head: { stackedConvs: 1, tower: "separable", groups: 4, test: { scoreThreshold: 0.005 } },
};
const CLASSES = [
  { id: 1, name: "cat" },
  { id: 90, name: "größe \u{1f9e6}" },
];

const bundleOf = (seed = 0): DetectorBundle => {
  const config = parseModelConfig(INPUT);
  const detector = buildDetector(config, { numClasses: CLASSES.length, random: createRandom(seed) });
  return { detector, config, classes: CLASSES, metadata: { data: "shorter=600", trained: "12 epochs" } };
};

beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
});

describe("buildDetector", () => {
  it("makes the same weights from the same seed", async () => {
    const [a, b, c] = [bundleOf(1), bundleOf(1), bundleOf(2)].map(({ detector }) => detector);
    expect(await readState(a!)).toEqual(await readState(b!));
    expect(await readState(a!)).not.toEqual(await readState(c!));
    for (const detector of [a, b, c]) detector!.dispose();
  });

  it("passes the configuration on to backbone and head", () => {
    const config = parseModelConfig({
      backbone: { preset: "tiny", layers: 5, threshold: 0.25, gateValue: "binary" },
      head: { stackedConvs: 2, channels: 6, groups: 3, norm: "batch" },
    });
    const detector = buildDetector(config, { numClasses: 3, random: createRandom(0) });
    expect(detector.backbone).toMatchObject({ threshold: 0.25, gateValue: "binary", channels: 16 });
    expect(detector.head.numClasses).toBe(3);
    const shape = (name: string) => detector.stateDict().get(name)?.shape;
    expect(shape("backbone.nodes.4_3.block.0.pointwise.weight")).toEqual([1, 1, 64, 64]);
    expect(shape("head.classTower.1.conv.weight")).toEqual([3, 3, 6, 6]);
    expect(shape("head.classTower.1.norm.runningMean")).toEqual([6]);
    expect(shape("head.classes.weight")).toEqual([3, 3, 6, 3]);
    detector.dispose();
  });

  it.each([
    [{ backbone: { preset: "tiny" }, head: { groups: 5 } }, /16 channels do not split into 5 groups/],
    [{ backbone: { preset: "tiny", layers: 2 } }, /2 layers cannot reach 4 scales/],
    [{ ...INPUT, head: { ...INPUT.head, regressRanges: [[0, 1]] } }, /5 strides need as many ranges/],
  ] as const)("says which parts of %j do not fit, and keeps no tensor", (input, message) => {
    const before = tf.memory().numTensors;
    const build = () => buildDetector(parseModelConfig(input), { numClasses: 2, random: createRandom(0) });
    expect(build).toThrow(message);
    expect(build).toThrow(ConfigError);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("a detector's file", () => {
  it("gives back the detector: weights, detections, configuration, classes, metadata and foreign arrays", async () => {
    const bundle = bundleOf(3);
    const before = tf.memory().numTensors;
    const foreign: StoredArray = { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) };
    const bytes = await serializeDetector(bundle, new Map([["optimizer/head.x", foreign]]));
    expect(tf.memory().numTensors).toBe(before);
    const read = deserializeDetector(bytes);
    expect(read.config).toEqual(bundle.config);
    expect(read.classes).toEqual(CLASSES);
    expect(read.metadata).toEqual(bundle.metadata);
    expect(read.extra).toEqual(new Map([["optimizer/head.x", foreign]]));
    expect(await readState(read.detector)).toEqual(await readState(bundle.detector));

    const images = tf.randomNormal([2, 48, 40, 3], 0, 1, "float32", 4) as tf.Tensor4D;
    const sizes = [
      { height: 48, width: 40 },
      { height: 30, width: 40, scaleX: 2, scaleY: 2 },
    ];
    const held = tf.memory().numTensors;
    const want = await bundle.detector.detect(images, sizes);
    const got = await read.detector.detect(images, sizes);
    expect(tf.memory().numTensors).toBe(held);
    expect(want.detections[0]!.scores.length).toBeGreaterThan(0);
    expect(got).toEqual(want);

    expect(await serializeDetector(read, read.extra)).toEqual(bytes);
    images.dispose();
    read.detector.dispose();
    bundle.detector.dispose();
  });

  it("takes foreign arrays under names with a slash alone", async () => {
    const bundle = bundleOf();
    const extra: StoredArray = { dtype: "F32", shape: [1], data: new Float32Array(1) };
    await expect(serializeDetector(bundle, new Map([["momentum", extra]]))).rejects.toThrow(
      'Extra arrays need a name with a slash, got "momentum".',
    );
    bundle.detector.dispose();
  });

  it("keeps its own metadata, whatever the free one is called", async () => {
    const bundle = bundleOf();
    const bytes = await serializeDetector({ ...bundle, metadata: { format: "x", model: "y", classes: "z", own: "1" } });
    const read = deserializeDetector(bytes);
    expect(read.metadata).toEqual({ own: "1" });
    expect(read.classes).toEqual(CLASSES);
    read.detector.dispose();
    bundle.detector.dispose();
  });
});

describe("deserializeDetector", () => {
  let bytes: Uint8Array;
  let arrays: Map<string, StoredArray>;
  let metadata: Readonly<Record<string, string>>;
  beforeAll(async () => {
    const bundle = bundleOf();
    bytes = await serializeDetector(bundle);
    ({ arrays, metadata } = parseSafetensors(bytes));
    bundle.detector.dispose();
  });

  // Reads bytes that must be refused, and sees that no tensor is left.
  const refusal = (broken: Uint8Array): Error => {
    const before = tf.memory().numTensors;
    let error: unknown;
    try {
      deserializeDetector(broken, "some.safetensors");
    } catch (e) {
      error = e;
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(error).toBeInstanceOf(Error);
    return error as Error;
  };
  const withMetadata = (changes: Record<string, string>) => serializeSafetensors(arrays, { ...metadata, ...changes });

  it("refuses a file cut anywhere", () => {
    const cuts = [0, 1, 7, 8, 9, 100, 2000, bytes.length >> 1, bytes.length - 4, bytes.length - 1];
    const random = createRandom(1);
    for (const cut of [...cuts, ...Array.from({ length: 30 }, () => random.int(bytes.length))]) {
      const error = refusal(bytes.subarray(0, cut));
      expect(error, `cut at ${cut}`).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain("some.safetensors: ");
    }
  });

  it("refuses files of another format", () => {
    expect(refusal(serializeSafetensors(arrays)).message).toBe(
      "some.safetensors: expected a file of format caddet-detector/1, got none.",
    );
    expect(refusal(withMetadata({ format: "caddet-detector/9" })).message).toMatch(/got caddet-detector\/9/);
    expect(refusal(new TextEncoder().encode("<!doctype html><html></html>"))).toBeInstanceOf(CheckpointError);
  });

  it("refuses metadata that it cannot read", () => {
    for (const [key, value] of [
      ["model", "{"],
      ["classes", ""],
    ] as const) {
      const error = refusal(withMetadata({ [key]: value }));
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toBe(
        `some.safetensors: its metadata has no readable "${key}". It was not written by caddet.`,
      );
    }
    expect(refusal(withMetadata({ model: "[]" }))).toBeInstanceOf(ConfigError);
    const unknown = { ...INPUT, backbone: { preset: "tiny", layer: 3 } };
    expect(refusal(withMetadata({ model: JSON.stringify(unknown) })).message).toMatch(/Did you mean "layers"/);
  });

  it.each([
    ["none", []],
    ["null", null],
    ["a table of names", ["cat", "dog"]],
    [
      "ids that are no integers",
      [
        { id: 0.5, name: "cat" },
        { id: 1, name: "dog" },
      ],
    ],
    ["more than 100,000", Array.from({ length: 100_001 }, (_, id) => ({ id, name: "" }))],
  ])("refuses a class table with %s", (_, table) => {
    const error = refusal(withMetadata({ classes: JSON.stringify(table) }));
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(/class table/);
  });

  it("builds nothing that the file does not hold the weights of", () => {
    const many = Array.from({ length: 100_000 }, (_, id) => ({ id, name: "" }));
    const huge = [
      withMetadata({ classes: JSON.stringify(many) }),
      withMetadata({ model: JSON.stringify({ backbone: { preset: "paper" } }) }),
      withMetadata({ model: JSON.stringify({ ...INPUT, backbone: { channels: [2 ** 50], layers: 1000 } }) }),
      withMetadata({ model: JSON.stringify({ ...INPUT, head: { channels: 2 ** 50 } }) }),
      withMetadata({ model: JSON.stringify({ ...INPUT, head: { channels: 512, stackedConvs: 1000 } }) }),
    ];
    for (const file of huge) {
      const error = refusal(file);
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toMatch(/ask for at least \d\S* weights, the file has \d+\./);
    }
  });

  it("does not take foreign arrays for weights", () => {
    const foreign: StoredArray = { dtype: "U8", shape: [3_000_000], data: new Uint8Array(3_000_000) };
    const padded = new Map([...arrays, ["optimizer/x", foreign]]);
    const model = JSON.stringify({ ...INPUT, head: { ...INPUT.head, channels: 1024, groups: 4 } });
    expect(refusal(serializeSafetensors(padded, { ...metadata, model })).message).toMatch(/ask for at least/);
  });

  it("refuses weights of another model, and weights that are missing", () => {
    const fewer = JSON.stringify(CLASSES.slice(1));
    expect(refusal(withMetadata({ classes: fewer })).message).toMatch(/"head\.classes\.weight" has shape/);
    const without = new Map([...arrays].filter(([name]) => name !== "head.classes.bias"));
    expect(refusal(serializeSafetensors(without, metadata)).message).toMatch(
      /1 names are missing \(head\.classes\.bias/,
    );
    const odd = new Map([...arrays, ["surplus", { dtype: "F32", shape: [1], data: new Float32Array(1) }] as const]);
    expect(refusal(serializeSafetensors(odd, metadata)).message).toMatch(/1 are unknown \(surplus\)/);
  });
});
