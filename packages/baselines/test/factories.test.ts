// MobileNets and FPNLite as parts of a configuration.
import { type BackboneFactory, ConfigError, createRandom, type Module } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { onBackend } from "#test/backends";
import {
  fpnLiteFactory,
  type MobileNetV1Config,
  type MobileNetV2Config,
  mobileNetV1Factory,
  mobileNetV2Factory,
} from "../src";

const context = () => ({ inChannels: 6, strides: [8, 16, 32, 64, 128], random: createRandom(0) });

const weightsOf = (module: Module) =>
  [...module.namedParameters().values()]
    .filter(({ kind }) => kind === "weight")
    .reduce((sum, { variable }) => sum + variable.size, 0);

const mobileNets: BackboneFactory<MobileNetV1Config | MobileNetV2Config>[] = [mobileNetV1Factory, mobileNetV2Factory];

describe.each(mobileNets)("$type", (factory) => {
  it("fills in its defaults, and is a fixed point", () => {
    const config = factory.parse({});
    expect(config).toEqual({ type: factory.type, width: 1, tail: "imagenet", neck: { depth: 128, levels: 5 } });
    expect(factory.parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it.each([
    [{ widht: 1 }, 'model.backbone.widht: unknown key. Did you mean "width"?'],
    [{ width: 0 }, "model.backbone.width: "],
    [{ neck: { levels: 2 } }, "model.backbone.neck.levels: "],
    [{ neck: { depht: 2 } }, 'model.backbone.neck.depht: unknown key. Did you mean "depth"?'],
    [{ tail: "long" }, "model.backbone.tail: "],
    [{ type: "mobilenetv3" }, "model.backbone.type: "],
  ])("refuses %j", (config, message) => {
    expect(() => factory.parse(config, "model.backbone")).toThrow(message);
    expect(() => factory.parse(config, "model.backbone")).toThrow(ConfigError);
  });

  it.each([
    { width: 0.1, neck: { depth: 8 } },
    { width: 0.2, tail: "short", neck: { depth: 24, levels: 7 } },
  ])("builds %j, and knows its weights before", (input) =>
    onBackend("cpu", async () => {
      const config = factory.parse(input);
      const before = tf.memory().numTensors;
      const needed = factory.minWeights!(config, context());
      expect(tf.memory().numTensors).toBe(before);
      const backbone = factory.build(config, context());
      expect(weightsOf(backbone)).toBe(needed);
      expect(backbone.channels).toBe(config.neck.depth);
      expect(backbone.strides).toHaveLength(config.neck.levels);
      backbone.dispose();
    }),
  );
});

describe("fpnlite", () => {
  it("fills in its defaults, and is a fixed point", () => {
    const config = fpnLiteFactory.parse({});
    expect(config).toEqual({ type: "fpnlite", depth: 128 });
    expect(fpnLiteFactory.parse(config)).toEqual(config);
    expect(() => fpnLiteFactory.parse({ deep: 1 }, "model.neck")).toThrow("model.neck.deep: unknown key.");
  });

  it.each([{}, { depth: 8 }, { depth: 16, levels: 7 }])("builds %j, and knows its weights before", (input) =>
    onBackend("cpu", async () => {
      const config = fpnLiteFactory.parse(input);
      const needed = fpnLiteFactory.minWeights!(config, context());
      const neck = fpnLiteFactory.build(config, context());
      expect(weightsOf(neck)).toBe(needed);
      expect(neck.strides).toHaveLength(config.levels ?? 5);
      expect(neck.channels).toBe(config.depth);
      neck.dispose();
    }),
  );

  it("refuses fewer levels than there are", () => {
    expect(() => fpnLiteFactory.build(fpnLiteFactory.parse({ levels: 3 }), context())).toThrow(
      /at least the 5 that are in front of it, got 3/,
    );
  });
});
