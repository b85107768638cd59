// Each number of the recipes against mmdetection 2.1's configurations: fcos_r50_caffe_fpn_gn-head_4x4_1x, retinanet_r50_fpn_1x,
// _base_/schedules/schedule_1x, _base_/datasets/coco_detection; and the paper's two sizes.
import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { learningRate, parseTrainConfig, RECIPE_NAMES, RECIPES, type RecipeName, type TrainConfigInput } from "../src";

const SIZES: Record<RecipeName, readonly [number, number]> = {
  ablation: [600, 1000],
  "ablation-retina": [600, 1000],
  main: [800, 1333],
  "main-retina": [800, 1333],
};

describe.each(RECIPE_NAMES)("recipe %s", (recipe) => {
  const config = parseTrainConfig({ recipe });
  const isRetina = recipe.endsWith("retina");

  it("resizes, flips, normalises and pads as the reference does", () => {
    const [shorter, longer] = SIZES[recipe];
    expect(config.data).toMatchObject({ shorter, longer, shorterSides: [], shorterRange: null });
    expect(config.data).toMatchObject({ flip: 0.5, padTo: 32, groupByAspect: true, batchSize: 16 });
    expect(config.data.mean).toEqual([123.675, 116.28, 103.53]);
    expect(config.data.std).toEqual([58.395, 57.12, 57.375]);
  });

  it("trains by the reference's optimiser", () => {
    expect(config.optimizer).toMatchObject({ type: "sgd", lr: 0.01, momentum: 0.9, weightDecay: 1e-4 });
    expect(config.optimizer.normDecayFactor).toBe(1);
    const { clipNorm, biasLrFactor, biasDecayFactor } = config.optimizer;
    expect([clipNorm, biasLrFactor, biasDecayFactor]).toEqual(isRetina ? [null, 1, 1] : [35, 2, 0]);
  });

  it("lets the rate warm up and fall as the reference does", () => {
    const stepsPerEpoch = 7330; // 117,266 images with objects, 16 a batch
    const rate = (step: number) =>
      learningRate(step, {
        ...config.schedule,
        base: config.optimizer.lr,
        stepsPerEpoch,
        totalSteps: 12 * stepsPerEpoch,
      });
    expect(config.schedule).toMatchObject({ epochs: 12, policy: "step", milestones: [8, 11], gamma: 0.1 });
    expect(config.schedule).toMatchObject({ warmupSteps: 500, warmupRatio: 0.001 });
    expect(rate(0)).toBeCloseTo(1e-5, 12);
    // FCOS' rate stays low through the warm-up, RetinaNet's rises: lr · (1 − (1 − t / 500) · (1 − 0.001))
    expect(rate(250)).toBeCloseTo(isRetina ? 0.01 * (1 - 0.5 * 0.999) : 1e-5, 12);
    expect(rate(499)).toBeCloseTo(isRetina ? 0.01 * (1 - 0.002 * 0.999) : 1e-5, 12);
    expect(rate(500)).toBe(0.01);
    expect(rate(8 * stepsPerEpoch - 1)).toBe(0.01);
    expect(rate(8 * stepsPerEpoch)).toBeCloseTo(0.001, 12);
    expect(rate(11 * stepsPerEpoch - 1)).toBeCloseTo(0.001, 12);
    expect(rate(11 * stepsPerEpoch)).toBeCloseTo(0.0001, 12);
  });

  it("leaves the regularisers out of the first epoch, as the paper does", () => {
    expect(config.regularizeFromEpoch).toBe(1);
    expect(config.budget.weight).toBe(1);
    expect(config.similarity).toEqual({ weight: 1, min: 0.6, max: 0.95 });
  });

  it("is a fixed point, and stays below what one sets", () => {
    expect(parseTrainConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    const written: TrainConfigInput = { recipe, data: { shorter: 400 }, schedule: { milestones: [2] }, seed: 3 };
    const changed = parseTrainConfig(written);
    expect(changed).toEqual({
      ...config,
      seed: 3,
      data: { ...config.data, shorter: 400 },
      schedule: { ...config.schedule, milestones: [2] },
    });
    expect(RECIPES[recipe].data?.shorter).toBe(SIZES[recipe][0]);
  });
});

describe("a recipe", () => {
  it("that is not known is refused with those that are", () => {
    expect(() => parseTrainConfig({ recipe: "2x" })).toThrow(ConfigError);
    expect(() => parseTrainConfig({ recipe: "2x" })).toThrow(/recipe: .*"ablation".*"main"/);
    expect(() => parseTrainConfig({ recipe: "__proto__" })).toThrow(ConfigError);
    expect(() => parseTrainConfig({ recipe: "main", data: 3 })).toThrow(/data: /);
    expect(() => parseTrainConfig({ recipe: "main", optimizer: { lrr: 1 } })).toThrow(/optimizer\.lrr: unknown key/);
  });
});
