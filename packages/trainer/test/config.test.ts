import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { defineConfig, parseTrainConfig, setConfigValue, type TrainConfigInput } from "../src";

describe("parseTrainConfig", () => {
  it("defaults to the paper's settings", () => {
    const config = parseTrainConfig({});
    expect(config.data).toMatchObject({ shorter: 600, longer: 1000, batchSize: 16, flip: 0.5 });
    expect(config.optimizer).toEqual({
      type: "sgd",
      lr: 0.01,
      momentum: 0.9,
      beta2: 0.999,
      weightDecay: 1e-4,
      clipNorm: 35,
      biasLrFactor: 2,
      biasDecayFactor: 0,
      normDecayFactor: 0,
    });
    expect(config.schedule).toMatchObject({ epochs: 12, milestones: [8, 11], gamma: 0.1, warmupSteps: 500 });
    expect(config.budget).toEqual({
      mapping: "scale",
      ratio: 0.05,
      reduce: "mean",
      weight: 1,
      intervals: [64, 150, 360],
      pixels: "input",
    });
    expect(config.similarity).toEqual({ weight: 1, min: 0.6, max: 0.95 });
    expect(config.regularizeFromEpoch).toBe(1);
  });

  it("is a fixed point: what it gives can be saved and parsed again", () => {
    const config = parseTrainConfig({ schedule: { maxSteps: 20 }, optimizer: { clipNorm: null } });
    expect(parseTrainConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it.each([
    [{ optimizer: { weigthDecay: 1 } }, 'optimizer.weigthDecay: unknown key. Did you mean "weightDecay"?'],
    [{ optimizr: {} }, 'optimizr: unknown key. Did you mean "optimizer"?'],
    [{ model: { had: {} } }, 'model.had: unknown key. Did you mean "head"?'],
    [{ model: { head: 3 } }, "model.head: Invalid input: expected object"],
    // by another name of the key
    [{ optimizer: { learningrat: 0.1 } }, 'optimizer.learningrat: unknown key. Did you mean "lr"?'],
    // nothing is near: all that are known are named
    [{ similarity: { learningrat: 0.1 } }, "similarity.learningrat: unknown key. Known are weight, min, max."],
  ])("names the nearest key for %j", (input, message) => {
    expect(() => parseTrainConfig(input)).toThrow(message);
    expect(() => parseTrainConfig(input)).toThrow(ConfigError);
  });

  it("leaves to others what the parts of a model can be told", () => {
    expect(parseTrainConfig({}).model).toEqual({});
    const model = { backbone: { type: "mine", depth: [1, 2] }, head: { anything: { at: "all" } } };
    expect(parseTrainConfig({ model }).model).toEqual(model);
  });

  it("reports every wrong value by its path", () => {
    const wrong = { optimizer: { lr: -1, momentum: 1 }, data: { batchSize: 0 }, budget: { mapping: "none" } };
    for (const path of ["optimizer.lr", "optimizer.momentum", "data.batchSize", "budget.mapping"]) {
      expect(() => parseTrainConfig(wrong)).toThrow(`  ${path}: `);
    }
    expect(() => parseTrainConfig(null)).toThrow(/training/);
  });

  it("turns on nothing that the paper does not have", () => {
    const config = parseTrainConfig({});
    expect(config).not.toHaveProperty("recipe");
    expect(config.data).toMatchObject({ shorterSides: [], shorterRange: null, microBatch: null });
    expect(config.batchNorm).toEqual({ mode: "batch", preciseBatches: 0 });
    expect(config.ema).toEqual({ decay: null });
    expect(config.memory).toEqual({ checkpoint: "none" });
    expect(config.checkpoint).toEqual({ everyEpochs: 1, everySteps: null, keep: 3, best: null, bestIs: "highest" });
    expect(config).toMatchObject({ onNonFinite: "stop", maxNonFinite: 20, leakSteps: 32 });
  });

  it.each([
    [{ data: { shorterSides: [480, 600], shorterRange: [480, 600] } }, /set one of the two/],
    [
      { data: { shorterRange: [600, 480] } },
      /data\.shorterRange: the first must not be above the second, got \[600,480\]/,
    ],
    [{ data: { shorterSides: [480, 1200] } }, /must not be above data\.longer, got 1200 and 1000/],
    [{ data: { shorterRange: [480, 1001] } }, /got 1001 and 1000/],
    [{ data: { shorter: 2000 } }, /got 2000 and 1000/],
    [{ data: { microBatch: 0 } }, /data\.microBatch: /],
    [{ batchNorm: { mode: "frozen", preciseBatches: 3 } }, /preciseBatches must be 0, got 3/],
    [{ batchNorm: { mode: "sync" } }, /batchNorm\.mode: /],
    [{ memory: { checkpoint: "all" } }, /memory\.checkpoint: /],
    [{ ema: { decay: 1 } }, /ema\.decay: /],
    [{ ema: { decay: 0 } }, /ema\.decay: /],
    [{ checkpoint: { everySteps: 0 } }, /checkpoint\.everySteps: /],
    [{ checkpoint: { best: "" } }, /checkpoint\.best: /],
    [{ onNonFinite: "ignore" }, /onNonFinite: .*"stop".*"skip".*"restore"/],
    [{ maxNonFinite: -1 }, /maxNonFinite: /],
    [{ leakSteps: 3 }, /leakSteps: must be 0 or at least 4/],
  ])("refuses %j", (input, message) => {
    expect(() => parseTrainConfig(input)).toThrow(ConfigError);
    expect(() => parseTrainConfig(input)).toThrow(message);
  });

  it("refuses a similarity range and intervals that cannot be", () => {
    expect(() => parseTrainConfig({ similarity: { min: 0.9, max: 0.8 } })).toThrow(/0 < min <= max must hold/);
    expect(() => parseTrainConfig({ similarity: { min: 0 } })).toThrow(ConfigError);
    expect(parseTrainConfig({ similarity: { min: 0.7, max: 0.7 } }).similarity.min).toBe(0.7);
    expect(() => parseTrainConfig({ budget: { intervals: [64, 64] } })).toThrow(/must be ascending, got \[64,64\]/);
    expect(parseTrainConfig({ budget: { intervals: [] } }).budget.intervals).toEqual([]);
  });
});

describe("setConfigValue", () => {
  it("sets numbers, texts, lists and groups, and leaves its argument alone", () => {
    const config = defineConfig({ optimizer: { lr: 0.1 } });
    const changed = [
      "optimizer.momentum=0.5",
      "schedule.policy=cosine",
      "budget.intervals=[32, 96]",
      'similarity={"weight":0}',
      "optimizer.clipNorm=null",
    ].reduce(setConfigValue, config);
    expect(changed).toEqual({
      optimizer: { lr: 0.1, momentum: 0.5, clipNorm: null },
      schedule: { policy: "cosine" },
      budget: { intervals: [32, 96] },
      similarity: { weight: 0 },
    });
    expect(config).toEqual({ optimizer: { lr: 0.1 } });
  });

  it("splits at the first =, and takes what follows as text where it is not JSON", () => {
    expect(setConfigValue({}, "seed=a=b")).toEqual({ seed: "a=b" });
    expect(setConfigValue({}, "seed=")).toEqual({ seed: "" });
  });

  it("sets one place of a list, and no place beside it", () => {
    const config: TrainConfigInput = { budget: { intervals: [64, 150, 360] } };
    expect(setConfigValue(config, "budget.intervals.1=100")).toEqual({ budget: { intervals: [64, 100, 360] } });
    for (const place of ["3", "-1", "1e-1", "length", "x"]) {
      expect(() => setConfigValue(config, `budget.intervals.${place}=1`)).toThrow(/is no place of a list of 3/);
    }
  });

  it.each(["optimizer.lr", "=1", ""])("refuses %j, which is no assignment", (assignment) => {
    expect(() => setConfigValue({}, assignment)).toThrow(/takes path=value/);
  });

  it("refuses a path through a plain value", () => {
    expect(() => setConfigValue({ optimizer: { lr: 0.1 } }, "optimizer.lr.base=1")).toThrow(
      '--set optimizer.lr.base=1: "lr" is not a group of settings.',
    );
    expect(() => setConfigValue({ optimizer: { clipNorm: null } }, "optimizer.clipNorm.x=1")).toThrow(ConfigError);
  });

  it.each(["__proto__.polluted=1", 'optimizer.__proto__={"lr":5}', "optimizer..lr=1", "optimizer.=1"])(
    "refuses %s",
    (assignment) => {
      expect(() => setConfigValue({}, assignment)).toThrow(/is no configuration key/);
    },
  );

  it("never reaches what objects inherit", () => {
    const changed = setConfigValue({}, "constructor.prototype.polluted=1");
    expect(Object.hasOwn(changed, "constructor")).toBe(true);
    expect("polluted" in {}).toBe(false);
    expect(() => parseTrainConfig(changed)).toThrow(/constructor: unknown key/);
    expect(() => parseTrainConfig(setConfigValue({}, 'optimizer={"__proto__":{"lr":5}}'))).toThrow(ConfigError);
  });
});
