import { ConfigError, createRandom } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { PRESETS, supernetFactory } from "../src";

const { parse, build, minWeights } = supernetFactory;
const context = () => ({ random: createRandom(0) });

describe("supernetFactory.parse", () => {
  it("defaults to the paper's network, and is a fixed point through JSON", () => {
    const config = parse({});
    expect(config).toEqual({ type: "supernet", preset: "paper", threshold: 1e-4, gateValue: "soft", gate: "tanh" });
    for (const whole of [config, parse({ preset: "tiny", layers: 5, channels: [4, 8], gateValue: "binary" })]) {
      expect(parse(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
    }
  });

  it.each([
    [{ treshold: 0.1 }, 'model.backbone.treshold: unknown key. Did you mean "threshold"?'],
    [{ type: "resnet" }, "model.backbone.type: "],
    [{ preset: "large" }, "model.backbone.preset: "],
    [{ channels: [] }, "model.backbone.channels: "],
    [{ channels: new Array(17).fill(8) }, "model.backbone.channels: "],
    [{ threshold: 2 }, "model.backbone.threshold: "],
    [{ layers: 1e9 }, "model.backbone.layers: "],
    [null, "model.backbone: "],
  ])("refuses %j", (config, message) => {
    expect(() => parse(config, "model.backbone")).toThrow(message);
    expect(() => parse(config, "model.backbone")).toThrow(ConfigError);
  });
});

describe.each(backends)("supernetFactory.build on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("takes a preset's numbers where none are given", () => {
    const before = tf.memory().numTensors;
    const own = { layers: 6, channels: [4, 8], sepConvs: 3, pyramid: 12 };
    for (const [config, shape] of [
      [{ preset: "tiny" }, PRESETS.tiny],
      [
        { preset: "tiny", layers: 9 },
        { ...PRESETS.tiny, layers: 9 },
      ],
      [{ preset: "small", ...own }, own],
    ] as const) {
      const net = build(parse(config), context());
      expect(net.space.shape).toEqual(shape);
      net.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each(["sigmoid", "hard-concrete", "gumbel"] as const)("builds %s gates on the same weights", async (gate) => {
    const [own, paper] = [gate, "tanh"].map((name) => build(parse({ preset: "tiny", gate: name }), context()));
    const images = tf.randomUniform([1, 64, 64, 3], 0, 1, "float32", 1) as tf.Tensor4D;
    const gatesOf = async (net: typeof own) => {
      const { features, gates } = net!.forward(images, { training: false });
      tf.dispose([...features.maps]);
      const values = await gates!.values.array();
      gates!.values.dispose();
      return values;
    };
    expect([...own!.stateDict().keys()]).toEqual([...paper!.stateDict().keys()]);
    expect(await gatesOf(own)).not.toEqual(await gatesOf(paper));
    tf.dispose(images);
    own!.dispose();
    paper!.dispose();
  });

  it("passes threshold and gate value on", () => {
    const net = build(parse({ preset: "tiny", threshold: 0.25, gateValue: "binary" }), context());
    expect(net).toMatchObject({ threshold: 0.25, gateValue: "binary" });
    net.dispose();
  });

  it("refuses an impossible shape and keeps no tensor", () => {
    const before = tf.memory().numTensors;
    const impossible = parse({ preset: "tiny", layers: 2 });
    expect(() => build(impossible, context())).toThrow(/2 layers cannot reach 4 scales/);
    expect(() => minWeights?.(impossible, context())).toThrow(ConfigError);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("supernetFactory.minWeights", () => {
  it.each([
    { preset: "tiny" },
    { preset: "tiny", layers: 5, channels: [5], sepConvs: 2 },
    { preset: "tiny", layers: 7, channels: [3, 9, 2], pyramid: 40 },
  ])("is a close lower bound for %j", (input) => {
    const config = parse(input);
    const net = build(config, context());
    const inStemAndRouters = (name: string) => /^stem\.|\.router\./.test(name);
    const counted = [...net.namedParameters()].filter(
      ([name, { kind }]) => !inStemAndRouters(name) && kind === "weight",
    );
    const weights = counted.reduce((n, [, { variable }]) => n + variable.size, 0);
    expect(minWeights?.(config, context())).toBe(weights);
    net.dispose();
  });

  it("asks for no memory", () => {
    const before = tf.memory().numTensors;
    expect(minWeights?.(parse({ channels: [2 ** 50], layers: 1000 }), context())).toBeGreaterThan(2 ** 100);
    expect(tf.memory().numTensors).toBe(before);
  });
});
