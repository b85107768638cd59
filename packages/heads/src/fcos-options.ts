// What an FCOS head can be told, with the defaults of the paper's implementation (mmdetection 2.3, FCOS with group norm).
// Plain data and its checks; the head is in fcos-head.ts.
import { ConfigError, type Random } from "@caddet/core";
import type { RegressRange } from "./assign";
import { checkHeadSettings, type MmdetFlavour, TEST_DEFAULTS, type TestOptions } from "./head-settings";
import type { IouLossKind } from "./iou-loss";
import type { TowerKind, TowerNorm } from "./tower";

/** Factors on the terms of the loss. */
export interface FcosLossWeights {
  readonly classification: number;
  readonly box: number;
  readonly centerness: number;
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
  /** Predict classes and boxes from one tower, which halves the towers' weights and cost. Default false. */
  readonly sharedTowers?: boolean;
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
  /**
   * Default "mmdet-2.3", the paper's: the classification loss is divided by positives + images. "mmdet-2.28": by
   * max(positives, 1). It also decides which candidates are kept.
   */
  readonly normaliser?: MmdetFlavour;
  readonly test?: TestOptions;
  /** Where the initial weights come from. */
  readonly random: Random;
}

/** The options with every default filled in. */
export type FcosSettings = Required<Omit<FcosHeadOptions, "lossWeights" | "test" | "random">> & {
  readonly lossWeights: FcosLossWeights;
  readonly test: Required<TestOptions>;
};

/** The default ranges: a level takes sizes up to 8 of its strides, from 8 of the level before. */
function defaultRegressRanges(strides: readonly number[]): RegressRange[] {
  const last = strides.length - 1;
  return strides.map((stride, l) => [l === 0 ? -1 : 8 * strides[l - 1]!, l === last ? 1e8 : 8 * stride]);
}

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
    sharedTowers: false,
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
    test: { ...TEST_DEFAULTS, ...test },
  };
  check(settings);
  return settings;
}

function check(settings: FcosSettings): void {
  checkHeadSettings("FCOS head", settings, settings.normaliser);
  const { strides, regressRanges, boxLoss } = settings;
  if (regressRanges.length !== strides.length || regressRanges.some(([low, high]) => !(low < high))) {
    throw new ConfigError(
      `FCOS head: ${strides.length} strides need as many ranges [low, high] with low < high, got ${JSON.stringify(regressRanges)}.`,
    );
  }
  if (!["iou", "linear-iou", "giou"].includes(boxLoss)) {
    throw new ConfigError(`FCOS head: boxLoss should be "iou", "linear-iou" or "giou", got "${boxLoss}".`);
  }
}
