// From configuration to detector: what the factories are given, and what is left when their parts do not fit.
import { ConfigError, createRandom, type HeadContext, type HeadFactory, readState } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { buildDetector, parseModelConfig } from "../src";
import { doubleFactory, peakFactory, poolFactory } from "./fake-factories";

const parts = { backbones: [poolFactory], heads: [peakFactory] };

describe.each(backends)("buildDetector on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("makes the same weights from the same seed", async () => {
    const detectors = [1, 1, 2].map((seed) =>
      buildDetector(parseModelConfig({}, parts), { parts, numClasses: 3, random: createRandom(seed) }),
    );
    const [a, b, c] = await Promise.all(detectors.map(readState));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    for (const detector of detectors) detector.dispose();
  });

  it("builds what the configuration names, and tells the head what is in front of it", () => {
    const before = tf.memory().numTensors;
    const contexts: HeadContext[] = [];
    const spy: HeadFactory = {
      type: "spy",
      parse: () => ({ type: "spy" }),
      build: (_, context) => {
        contexts.push(context);
        return peakFactory.build(peakFactory.parse({ width: 7 }), context);
      },
    };
    const two = { ...parts, heads: [peakFactory, spy] };
    const config = parseModelConfig({ backbone: { channels: 6, levels: 3 }, head: { type: "spy" } }, two);
    const random = createRandom(0);
    const detector = buildDetector(config, { parts: two, numClasses: 5, random });
    expect(contexts).toEqual([{ inChannels: 6, strides: [8, 16, 32], numClasses: 5, random }]);
    expect(detector.stateDict().get("backbone.mix.weight")?.shape).toEqual([1, 1, 3, 6]);
    expect(detector.stateDict().get("head.hidden.weight")?.shape).toEqual([1, 1, 6, 7]);
    detector.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("puts a neck between backbone and head, and tells the head what the neck gives", () => {
    const before = tf.memory().numTensors;
    const three = { ...parts, necks: [doubleFactory] };
    const build = (head: object) =>
      buildDetector(parseModelConfig({ backbone: { levels: 3 }, neck: {}, head }, three), {
        parts: three,
        numClasses: 2,
        random: createRandom(0),
      });
    const detector = build({});
    expect(detector.neck?.strides).toEqual([16, 32]);
    expect(detector.head).toMatchObject({ settings: { strides: [16, 32], inChannels: 4 } });
    expect(detector.stateDict().has("neck.factor")).toBe(true);
    detector.dispose();
    expect(() => build({ strides: [8] })).toThrow(/the neck gives 4 channels at strides \[16,32\]/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("keeps no tensor when the head cannot be built, or does not fit the backbone", () => {
    const failing: HeadFactory = {
      type: "failing",
      parse: () => ({ type: "failing" }),
      build: () => {
        throw new ConfigError("no such head");
      },
    };
    const both = { ...parts, heads: [peakFactory, failing] };
    const before = tf.memory().numTensors;
    for (const [head, message] of [
      [{ type: "failing" }, /no such head/],
      [{ strides: [4] }, /takes 4 channels at strides \[4\], the backbone gives 4 channels at strides \[8,16\]/],
    ] as const) {
      const config = parseModelConfig({ head }, both);
      const build = () => buildDetector(config, { parts: both, numClasses: 2, random: createRandom(0) });
      expect(build).toThrow(message);
      expect(build).toThrow(ConfigError);
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  it("refuses a configuration of parts that it is not given", () => {
    const config = parseModelConfig({}, parts);
    const build = () =>
      buildDetector(config, { parts: { ...parts, heads: [] }, numClasses: 2, random: createRandom(0) });
    expect(build).toThrow(/model\.head\.type: there is no head "peak"/);
  });
});
