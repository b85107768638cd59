// What all dense heads can be told about towers and detections, and the checks of it.
// Each head adds its own in fcos-options.ts or retina-options.ts.
import { ConfigError, type FeaturePyramid, ShapeError } from "@caddet/core";
import { SUPPRESSION_DEFAULTS, type SuppressionOptions, suppressionFault } from "./suppression";
import type { TowerSettings } from "./tower";

/**
 * Which version of mmdetection candidates are chosen as, where there are more than `nmsPre` at a level.
 *
 * - "mmdet-2.3": the best points (or anchors) by max over classes of the score.
 * - "mmdet-2.28": the best pairs of point and class above the threshold by class score.
 */
export type MmdetFlavour = "mmdet-2.3" | "mmdet-2.28";

/** How detections are picked. */
export interface TestOptions extends SuppressionOptions {
  /** Only class scores above it count; strict, before centerness is multiplied in. Default 0.05. */
  readonly scoreThreshold?: number;
  /** Detections kept for an image. Default 100. */
  readonly maxPerImage?: number;
  /** Candidates kept for a level of an image. Default 1000. */
  readonly nmsPre?: number;
}

/** The defaults of {@link TestOptions}. */
export const TEST_DEFAULTS: Required<TestOptions> = {
  ...SUPPRESSION_DEFAULTS,
  scoreThreshold: 0.05,
  maxPerImage: 100,
  nmsPre: 1000,
};

/** What every dense head is made of. */
export interface DenseSettings extends TowerSettings {
  readonly numClasses: number;
  readonly strides: readonly number[];
  /** Whether classes and boxes are predicted from one tower. */
  readonly sharedTowers: boolean;
  readonly test: Required<TestOptions>;
}

/** The class logits' bias at the start: a class is there with probability 0.01 (Lin et al. 2017, §4.1). */
export const CLASS_BIAS = -Math.log((1 - 0.01) / 0.01);

const positiveInteger = (v: number) => Number.isInteger(v) && v > 0;

/**
 * Fails on settings that no dense head can be made of.
 *
 * @param head the head's name, for the message
 * @param settings the complete settings
 * @param flavour the version of mmdetection
 * @throws ConfigError
 */
export function checkHeadSettings(head: string, settings: DenseSettings, flavour: MmdetFlavour): void {
  const { inChannels, numClasses, channels, stackedConvs, groups, norm, tower, strides, test } = settings;
  const fail = (message: string) => {
    throw new ConfigError(`${head}: ${message}`, { settings });
  };
  const { maxPerImage, nmsPre } = test;
  for (const [name, value] of Object.entries({ inChannels, numClasses, channels, groups, maxPerImage, nmsPre })) {
    if (!positiveInteger(value)) fail(`${name} should be a positive integer, got ${value}.`);
  }
  if (!Number.isInteger(stackedConvs) || stackedConvs < 0) {
    fail(`stackedConvs should be an integer of at least 0, got ${stackedConvs}.`);
  }
  if (!["group", "batch", "none"].includes(norm)) fail(`norm should be "group", "batch" or "none", got "${norm}".`);
  if (!["full", "separable"].includes(tower)) fail(`tower should be "full" or "separable", got "${tower}".`);
  if (norm === "group" && channels % groups !== 0) {
    fail(`${channels} channels do not split into ${groups} groups; set groups to a divisor.`);
  }
  if (strides.length === 0 || !strides.every(positiveInteger)) {
    fail(`strides should be positive integers, got [${strides}].`);
  }
  const fault = suppressionFault(test);
  if (fault) fail(fault);
  if (!["mmdet-2.3", "mmdet-2.28"].includes(flavour)) {
    fail(`the normaliser or flavour should be "mmdet-2.3" or "mmdet-2.28", got "${flavour}".`);
  }
}

/**
 * Fails on a pyramid that a head was not made for.
 *
 * @param features the pyramid
 * @param settings the head's settings
 * @throws ShapeError
 */
export function checkPyramid(features: FeaturePyramid, { strides, inChannels }: DenseSettings): void {
  const { maps } = features;
  if (maps.length !== strides.length || maps.some(({ shape }) => shape[3] !== inChannels)) {
    const got = maps.map(({ shape }) => `[${shape}]`).join(", ");
    throw new ShapeError(`The head needs ${strides.length} maps of ${inChannels} channels, got ${got}.`);
  }
  if (features.strides.join() !== strides.join()) {
    throw new ShapeError(`The head has strides [${strides}], the pyramid [${features.strides}]; make them equal.`);
  }
}
