import { type BackboneFactory, ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { parseModelConfig } from "../src";
import { doubleFactory, peakFactory, poolFactory } from "./fake-factories";

const parts = { backbones: [poolFactory], heads: [peakFactory] };
const wide: BackboneFactory = {
  type: "wide",
  parse: () => ({ type: "wide" }),
  build: (_, context) => poolFactory.build(poolFactory.parse({ channels: 64 }), context),
};

describe("parseModelConfig", () => {
  it("takes the first of each kind of part, with its defaults, where nothing is said", () => {
    const config = {
      backbone: { type: "pool", channels: 4, levels: 2, threshold: 0.5 },
      head: { type: "peak", width: 4, test: { sharpness: 1 } },
    };
    expect(parseModelConfig({}, parts)).toEqual(config);
    expect(parseModelConfig({ backbone: {} }, { ...parts, backbones: [poolFactory, wide] })).toEqual(config);
    expect(parseModelConfig({}, { ...parts, backbones: [wide, poolFactory] }).backbone.type).toBe("wide");
  });

  it("finds parts by their type", () => {
    const both = { ...parts, backbones: [poolFactory, wide] };
    expect(parseModelConfig({ backbone: { type: "wide" } }, both).backbone).toEqual({ type: "wide" });
    expect(parseModelConfig({ backbone: { type: "pool" } }, both).backbone).toMatchObject({ channels: 4 });
  });

  it("has a neck where one is asked for", () => {
    const withNeck = { ...parts, necks: [doubleFactory] };
    expect(parseModelConfig({}, withNeck)).not.toHaveProperty("neck");
    const config = parseModelConfig({ neck: {} }, withNeck);
    expect(config.neck).toEqual({ type: "double", says: 1 });
    expect(parseModelConfig(JSON.parse(JSON.stringify(config)), withNeck)).toEqual(config);
    const parse =
      (neck: object, known = withNeck) =>
      () =>
        parseModelConfig({ neck }, known);
    expect(parse({ say: 1 })).toThrow('model.neck.say: unknown key. Did you mean "says"?');
    expect(parse({ type: "fpn" })).toThrow('model.neck.type: there is no neck "fpn". Known are double.');
    expect(() => parseModelConfig({ neck: {} }, parts)).toThrow(/None are known: pass one in parts\.necks\./);
  });

  it("is a fixed point, through JSON as well", () => {
    const config = parseModelConfig({ backbone: { channels: 8 }, head: { test: { sharpness: 2 } } }, parts);
    expect(parseModelConfig(JSON.parse(JSON.stringify(config)), parts)).toEqual(config);
  });

  it.each([
    [{ backbone: { chanels: 1 } }, 'model.backbone.chanels: unknown key. Did you mean "channels"?'],
    [{ head: { test: { sharpnes: 1 } } }, 'model.head.test.sharpnes: unknown key. Did you mean "sharpness"?'],
    [{ backbon: {} }, 'model.backbon: unknown key. Did you mean "backbone"?'],
    [{ backbone: { channels: 0.5 } }, "model.backbone.channels: "],
    [{ backbone: [] }, "model.backbone: "],
    [{ backbone: { type: "ssd" } }, 'model.backbone.type: there is no backbone "ssd". Known are pool.'],
    [{ head: { type: 3 } }, "model.head.type: there is no head 3. Known are peak."],
    [{ head: { type: "pool" } }, 'model.head.type: there is no head "pool". Known are peak.'],
    [undefined, "model: "],
  ])("refuses %j", (input, message) => {
    expect(() => parseModelConfig(input, parts)).toThrow(message);
    expect(() => parseModelConfig(input, parts)).toThrow(ConfigError);
  });

  it("says so when it knows no part at all", () => {
    expect(() => parseModelConfig({}, { ...parts, heads: [] })).toThrow(/None are known: pass one in parts\.heads\./);
  });
});
