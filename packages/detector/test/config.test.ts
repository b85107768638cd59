import { ConfigError } from "@caddet/core";
import { PRESETS } from "@caddet/supernet";
import { describe, expect, it } from "vitest";
import { parseModelConfig, supernetShape } from "../src";

describe("parseModelConfig", () => {
  it("defaults to the paper's network with mmdetection's FCOS head", () => {
    expect(parseModelConfig({})).toEqual({
      backbone: { type: "supernet", preset: "paper", threshold: 1e-4, gateValue: "soft" },
      head: {
        type: "fcos",
        stackedConvs: 4,
        tower: "full",
        norm: "group",
        groups: 32,
        centerSampling: false,
        centerSampleRadius: 1.5,
        normOnBbox: false,
        centernessOnReg: false,
        boxLoss: "iou",
        normaliser: "mmdet-2.3",
        test: { scoreThreshold: 0.05, nmsIou: 0.5, nmsPre: 1000, maxPerImage: 100 },
      },
    });
  });

  it("is a fixed point, through JSON as well", () => {
    const config = parseModelConfig({ backbone: { preset: "tiny", layers: 5 }, head: { channels: 8, groups: 2 } });
    expect(parseModelConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it.each([
    [{ backbone: { treshold: 0.1 } }, 'backbone.treshold: unknown key. Did you mean "threshold"?'],
    [{ head: { test: { nmsIuo: 0.1 } } }, 'head.test.nmsIuo: unknown key. Did you mean "nmsIou"?'],
    [{ backbon: {} }, 'backbon: unknown key. Did you mean "backbone"?'],
    [{ backbone: { preset: "large" } }, "backbone.preset: "],
    [{ backbone: { channels: [] } }, "backbone.channels: "],
    [{ backbone: { threshold: 2 } }, "backbone.threshold: "],
    [{ backbone: { layers: 1e9 } }, "backbone.layers: "],
    [{ head: { test: { maxPerImage: 0.5 } } }, "head.test.maxPerImage: "],
    [undefined, "model: "],
  ])("refuses %j", (input, message) => {
    expect(() => parseModelConfig(input)).toThrow(message);
    expect(() => parseModelConfig(input)).toThrow(ConfigError);
  });
});

describe("supernetShape", () => {
  it("takes a preset's numbers where none are given", () => {
    expect(supernetShape(parseModelConfig({}))).toEqual(PRESETS.paper);
    const own = { layers: 6, channels: [4, 8], sepConvs: 3, pyramid: 12 };
    expect(supernetShape(parseModelConfig({ backbone: { preset: "tiny", ...own } }))).toEqual(own);
    expect(supernetShape(parseModelConfig({ backbone: { preset: "small", layers: 9 } }))).toEqual({
      ...PRESETS.small,
      layers: 9,
    });
  });
});
