// What an FCOS head can be told, with the defaults of the paper's implementation (mmdetection 2.3, FCOS with group norm).
import { ConfigError, type Random } from "@caddet/core";
import type { RegressRange } from "./assign";
import type { IouLossKind } from "./iou-loss";

/** What normalises the towers. */
export type TowerNorm = "group" | "batch" | "none";

/** What a tower's layer is: a 3×3 convolution, or a depthwise 3×3 and a 1×1 one. */
export type TowerKind = "full" | "separable";

/**
 * Which version of mmdetection the classification loss is normalised as, and candidates are chosen as.
 *
 * - "mmdet-2.3": divides by positives + images; keeps the best points of a level by max over classes of score × centerness.
 * - "mmdet-2.28": divides by max(positives, 1); keeps the best pairs of point and class of a level by score.
 */
export type FcosFlavour = "mmdet-2.3" | "mmdet-2.28";

/** Factors on the terms of the loss. */
export interface FcosLossWeights {
  readonly classification: number;
  readonly box: number;
  readonly centerness: number;
}

/** How detections are picked. */
export interface FcosTestOptions {
  /** Only class scores above it count; strict, before centerness is multiplied in. Default 0.05. */
  readonly scoreThreshold?: number;
  /** A box is dropped when its IoU with a better one of its class is larger. Default 0.5. */
  readonly nmsIou?: number;
  /** Detections kept for an image. Default 100. */
  readonly maxPerImage?: number;
  /** Candidates kept for a level of an image. Default 1000. */
  readonly nmsPre?: number;
}

/** Options of `createFcosHead`. */
export interface FcosHeadOptions {
  /** Channels of every level of the pyramid. */
  readonly inChannels: number;
  readonly numClasses: number;
  /** Channels of the towers. Default 256. */
  readonly channels?: number;
  /** Layers of each tower. Default 4. */
  readonly stackedConvs?: number;
  /** Pixels of the network's input for one cell of each level. Default 8, 16, 32, 64, 128. */
  readonly strides?: readonly number[];
  /** Sizes that each level is responsible for, in pixels, both ends inclusive. Default: up to 8 strides, from 8 of the level before. */
  readonly regressRanges?: readonly RegressRange[];
  /** Default "group". */
  readonly norm?: TowerNorm;
  /** Groups of the group norm; divides `channels`. Default 32. */
  readonly groups?: number;
  /** Default "full". */
  readonly tower?: TowerKind;
  /** Take only points near a box's centre as positives. Default false. */
  readonly centerSampling?: boolean;
  /** Half the side of the central square, in strides. Default 1.5. */
  readonly centerSampleRadius?: number;
  /** Predict distances in strides through a ReLU, instead of pixels through an exponential. Default false. */
  readonly normOnBbox?: boolean;
  /** Predict centerness from the box tower instead of the class tower. Default false. */
  readonly centernessOnReg?: boolean;
  /** Default "iou". */
  readonly boxLoss?: IouLossKind;
  /** Default 1 each. */
  readonly lossWeights?: Partial<FcosLossWeights>;
  /** Default 0.25. */
  readonly focalAlpha?: number;
  /** Default 2. */
  readonly focalGamma?: number;
  /** Default "mmdet-2.3", the paper's. */
  readonly normaliser?: FcosFlavour;
  readonly test?: FcosTestOptions;
  /** Where the initial weights come from. */
  readonly random: Random;
}

/** The options with every default filled in. */
export type FcosSettings = Required<Omit<FcosHeadOptions, "lossWeights" | "test" | "random">> & {
  readonly lossWeights: FcosLossWeights;
  readonly test: Required<FcosTestOptions>;
};

/** The default ranges: a level takes sizes up to 8 of its strides, from 8 of the level before. */
function defaultRegressRanges(strides: readonly number[]): RegressRange[] {
  const last = strides.length - 1;
  return strides.map((stride, l) => [l === 0 ? -1 : 8 * strides[l - 1]!, l === last ? 1e8 : 8 * stride]);
}

const positiveInteger = (v: number) => Number.isInteger(v) && v > 0;

/**
 * Fills in defaults and checks the options.
 *
 * @param options what the caller gave
 * @returns complete settings
 * @throws ConfigError on a value that no head can be made of
 */
export function resolveFcosOptions(options: FcosHeadOptions): FcosSettings {
  const { random: _, lossWeights, test, ...given } = options;
  const strides = given.strides ?? [8, 16, 32, 64, 128];
  const settings: FcosSettings = {
    channels: 256,
    stackedConvs: 4,
    norm: "group",
    groups: 32,
    tower: "full",
    centerSampling: false,
    centerSampleRadius: 1.5,
    normOnBbox: false,
    centernessOnReg: false,
    boxLoss: "iou",
    focalAlpha: 0.25,
    focalGamma: 2,
    normaliser: "mmdet-2.3",
    regressRanges: defaultRegressRanges(strides),
    ...given,
    strides,
    lossWeights: { classification: 1, box: 1, centerness: 1, ...lossWeights },
    test: { scoreThreshold: 0.05, nmsIou: 0.5, maxPerImage: 100, nmsPre: 1000, ...test },
  };
  check(settings);
  return settings;
}

function check(settings: FcosSettings): void {
  const { inChannels, numClasses, channels, stackedConvs, groups, norm, tower, strides, regressRanges } = settings;
  const fail = (message: string) => {
    throw new ConfigError(`FCOS head: ${message}`, { settings });
  };
  for (const [name, value] of Object.entries({ inChannels, numClasses, channels, groups })) {
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
  if (regressRanges.length !== strides.length || regressRanges.some(([low, high]) => !(low < high))) {
    fail(
      `${strides.length} strides need as many ranges [low, high] with low < high, got ${JSON.stringify(regressRanges)}.`,
    );
  }
  if (!["mmdet-2.3", "mmdet-2.28"].includes(settings.normaliser)) {
    fail(`normaliser should be "mmdet-2.3" or "mmdet-2.28", got "${settings.normaliser}".`);
  }
  if (!["iou", "linear-iou", "giou"].includes(settings.boxLoss)) {
    fail(`boxLoss should be "iou", "linear-iou" or "giou", got "${settings.boxLoss}".`);
  }
}
