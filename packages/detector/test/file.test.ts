// From detector to bytes and back; bytes that are not a detector's.
import {
  type BackboneFactory,
  CheckpointError,
  ConfigError,
  createRandom,
  type HeadFactory,
  parseSafetensors,
  readState,
  type StoredArray,
  serializeSafetensors,
} from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import {
  buildDetector,
  type DetectorBundle,
  deserializeDetector,
  type ModelConfigInput,
  parseModelConfig,
  readDetectorFile,
  serializeDetector,
} from "../src";
import { doubleFactory, peakFactory, poolFactory } from "./fake-factories";

const parts = { backbones: [poolFactory], heads: [peakFactory] };
const INPUT: ModelConfigInput = { backbone: { channels: 5 }, head: { test: { sharpness: 3 } } };
const CLASSES = [
  { id: 1, name: "cat" },
  { id: 90, name: "größe \u{1f9e6}" },
];

const bundleOf = (seed = 0): DetectorBundle => {
  const config = parseModelConfig(INPUT, parts);
  const detector = buildDetector(config, { parts, numClasses: CLASSES.length, random: createRandom(seed) });
  return { detector, config, classes: CLASSES, metadata: { data: "shorter=600", trained: "12 epochs" } };
};

describe.each(backends)("a detector's file on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("gives back the detector: weights, detections, configuration, classes, metadata and foreign arrays", async () => {
    const bundle = bundleOf(3);
    const before = tf.memory().numTensors;
    const foreign: StoredArray = { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) };
    const bytes = await serializeDetector(bundle, new Map([["optimizer/head.x", foreign]]));
    expect(tf.memory().numTensors).toBe(before);
    const read = deserializeDetector(bytes, { parts });
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

  it("gives back a neck, and builds none that the file has no weights for", async () => {
    const withNeck = { ...parts, necks: [doubleFactory] };
    const config = parseModelConfig({ neck: {} }, withNeck);
    const before = tf.memory().numTensors;
    const detector = buildDetector(config, { parts: withNeck, numClasses: CLASSES.length, random: createRandom(0) });
    detector.loadStateDict(new Map([["neck.factor", { shape: [], data: Float32Array.of(5) }]]), { strict: false });
    const bundle = { detector, config, classes: CLASSES, metadata: {} };
    const bytes = await serializeDetector(bundle);
    const read = deserializeDetector(bytes, { parts: withNeck });
    expect(read.config).toEqual(config);
    expect((await readState(read.detector)).get("neck.factor")!.data).toEqual(Float32Array.of(5));
    expect(() => deserializeDetector(bytes, { parts })).toThrow(/there is no neck "double"/);
    const greedy = await serializeDetector({ ...bundle, config: { neck: { says: 1e9 } } });
    expect(() => deserializeDetector(greedy, { parts: withNeck })).toThrow(/ask for at least 1000000012 weights/);
    read.detector.dispose();
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
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
    const read = deserializeDetector(bytes, { parts });
    expect(read.metadata).toEqual({ own: "1" });
    expect(read.classes).toEqual(CLASSES);
    read.detector.dispose();
    bundle.detector.dispose();
  });
});

describe.each(backends)("readDetectorFile on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("takes a file apart without a part being known, and builds nothing", async () => {
    const bundle = bundleOf(5);
    const foreign: StoredArray = { dtype: "I32", shape: [1], data: Int32Array.of(7) };
    const model = { backbone: { type: "unheard-of", layer: 1 } };
    const bytes = await serializeDetector({ ...bundle, config: model }, new Map([["optimizer/x", foreign]]));
    const before = tf.memory().numTensors;
    const read = readDetectorFile(bytes);
    expect(tf.memory().numTensors).toBe(before);
    expect(read).toEqual({
      arrays: await readState(bundle.detector),
      model,
      classes: CLASSES,
      metadata: bundle.metadata,
      extra: new Map([["optimizer/x", foreign]]),
    });
    bundle.detector.dispose();
  });
});

describe.each(backends)("deserializeDetector on %s", (backend) => {
  beforeAll(() => useBackend(backend));

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
      deserializeDetector(broken, { parts, file: "some.safetensors" });
    } catch (e) {
      error = e;
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(error).toBeInstanceOf(Error);
    return error as Error;
  };
  const withMetadata = (changes: Record<string, string>) => serializeSafetensors(arrays, { ...metadata, ...changes });

  it("refuses a file cut anywhere", () => {
    const cuts = [0, 1, 7, 8, 9, 100, 500, bytes.length >> 1, bytes.length - 4, bytes.length - 1];
    const random = createRandom(1);
    for (const cut of [...cuts, ...Array.from({ length: 30 }, () => random.int(bytes.length))]) {
      const error = refusal(bytes.subarray(0, cut));
      expect(error, `cut at ${cut}`).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain("some.safetensors: ");
    }
  });

  it("refuses files of another format", () => {
    expect(refusal(serializeSafetensors(arrays)).message).toBe(
      "some.safetensors: expected a file of format caddet-detector/2, got none.",
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
    const unknown = { backbone: { chanels: 3 } };
    expect(refusal(withMetadata({ model: JSON.stringify(unknown) })).message).toMatch(/Did you mean "channels"/);
    const other = { backbone: { type: "wide" } };
    expect(refusal(withMetadata({ model: JSON.stringify(other) })).message).toMatch(/no backbone "wide"/);
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
      withMetadata({ model: JSON.stringify({ backbone: { channels: 2 ** 50 } }) }),
      withMetadata({ model: JSON.stringify({ ...INPUT, head: { width: 2 ** 50 } }) }),
    ];
    for (const file of huge) {
      const error = refusal(file);
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toMatch(/ask for at least \d\S* weights, the file has \d+\./);
    }
  });

  it("asks for the weights of each part before that part is built", () => {
    const built: string[] = [];
    const backbone: BackboneFactory = {
      ...poolFactory,
      build: (config, context) => {
        built.push("backbone");
        return poolFactory.build(poolFactory.parse(config), context);
      },
    };
    const head: HeadFactory = {
      ...peakFactory,
      build: (config, context) => {
        built.push("head");
        return peakFactory.build(peakFactory.parse(config), context);
      },
    };
    const read = (model: ModelConfigInput) => () =>
      deserializeDetector(withMetadata({ model: JSON.stringify(model) }), {
        parts: { backbones: [backbone], heads: [head] },
      });
    const before = tf.memory().numTensors;
    expect(read({ backbone: { channels: 1000 } })).toThrow(/ask for at least 3000 weights/);
    expect(built).toEqual([]);
    expect(read({ ...INPUT, head: { width: 1000 } })).toThrow(/ask for at least 7015 weights/);
    expect(built).toEqual(["backbone"]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("does not take foreign arrays for weights", () => {
    const foreign: StoredArray = { dtype: "U8", shape: [10_000], data: new Uint8Array(10_000) };
    const padded = new Map([...arrays, ["optimizer/x", foreign]]);
    const model = JSON.stringify({ ...INPUT, head: { width: 100 } });
    expect(refusal(serializeSafetensors(padded, { ...metadata, model })).message).toMatch(/ask for at least 715/);
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
