// What a RetinaNet head can be told, with the defaults of the paper's implementation (mmdetection 2.3).
// Plain data and its checks; the head is in retina-head.ts.
import { ConfigError, type Random } from "@caddet/core";
import type { AnchorOptions } from "./anchors";
import { checkHeadSettings, type MmdetFlavour, TEST_DEFAULTS, type TestOptions } from "./head-settings";
import type { IouLossKind } from "./iou-loss";
import type { MaxIouOptions } from "./max-iou-assign";
import type { TowerKind, TowerNorm } from "./tower";

/** Factors on the terms of the loss. */
export interface RetinaLossWeights {
  readonly classification: number;
  readonly box: number;
}

/**
 * What the box loss compares: "l1" the shifts of the anchors, the others (see {@link IouLossKind}) the boxes that the shifts make of
 * them (mmdetection's `reg_decoded_bbox`).
 */
export type RetinaBoxLoss = "l1" | IouLossKind;

/** Options of `createRetinaHead`. */
export interface RetinaHeadOptions {
  /** Channels of every level of the pyramid. */
  readonly inChannels: number;
  readonly numClasses: number;
  /** Channels of the towers. Default 256. */
  readonly channels?: number;
  /** Layers of each tower. Default 4. */
  readonly stackedConvs?: number;
  /** Pixels of the network's input for one cell of each level. Default 8, 16, 32, 64, 128. */
  readonly strides?: readonly number[];
  /** Scales and ratios of the anchors. Default 3 scales from 4 strides, ratios 0.5, 1, 2. */
  readonly anchors?: AnchorOptions;
  /** Thresholds of the assignment. Default 0.5, 0.4, 0, crowds not looked at. */
  readonly assign?: MaxIouOptions;
  /** Default "none". */
  readonly norm?: TowerNorm;
  /** Groups of a group norm; divides `channels`. Default 32. */
  readonly groups?: number;
  /** Default "full". */
  readonly tower?: TowerKind;
  /** Predict classes and boxes from one tower, which halves the towers' weights and cost. Default false. */
  readonly sharedTowers?: boolean;
  /** Default "l1". */
  readonly boxLoss?: RetinaBoxLoss;
  /** Default 1 each. */
  readonly lossWeights?: Partial<RetinaLossWeights>;
  /** Default 0.25. */
  readonly focalAlpha?: number;
  /** Default 2. */
  readonly focalGamma?: number;
  /** Which candidates are kept; default "mmdet-2.3", the paper's. The loss is the same in both. */
  readonly flavour?: MmdetFlavour;
  readonly test?: TestOptions;
  /** Where the initial weights come from. */
  readonly random: Random;
}

/** The options with every default filled in. */
export type RetinaSettings = Required<
  Omit<RetinaHeadOptions, "anchors" | "assign" | "lossWeights" | "test" | "random">
> & {
  readonly anchors: Required<AnchorOptions>;
  readonly assign: Required<MaxIouOptions>;
  readonly lossWeights: RetinaLossWeights;
  readonly test: Required<TestOptions>;
};

/** Anchors of a cell. */
export const anchorsPerCell = ({ anchors }: RetinaSettings): number => anchors.ratios.length * anchors.scalesPerOctave;

/**
 * Fills in defaults and checks the options.
 *
 * @param options what the caller gave
 * @returns complete settings
 * @throws ConfigError on a value that no head can be made of
 */
export function resolveRetinaOptions(options: RetinaHeadOptions): RetinaSettings {
  const { random: _, anchors, assign, lossWeights, test, ...given } = options;
  const settings: RetinaSettings = {
    channels: 256,
    stackedConvs: 4,
    strides: [8, 16, 32, 64, 128],
    norm: "none",
    groups: 32,
    tower: "full",
    sharedTowers: false,
    boxLoss: "l1",
    focalAlpha: 0.25,
    focalGamma: 2,
    flavour: "mmdet-2.3",
    ...given,
    anchors: { baseScale: 4, scalesPerOctave: 3, ratios: [0.5, 1, 2], ...anchors },
    assign: { positiveIou: 0.5, negativeIou: 0.4, minPositiveIou: 0, ignoreIof: -1, ...assign },
    lossWeights: { classification: 1, box: 1, ...lossWeights },
    test: { ...TEST_DEFAULTS, ...test },
  };
  checkHeadSettings("RetinaNet head", settings, settings.flavour);
  const { baseScale, scalesPerOctave, ratios } = settings.anchors;
  if (
    !(
      baseScale > 0 &&
      Number.isInteger(scalesPerOctave) &&
      scalesPerOctave > 0 &&
      ratios.length > 0 &&
      ratios.every((r) => r > 0)
    )
  ) {
    throw new ConfigError(
      `RetinaNet head: anchors need a positive scale, a whole number of scales an octave and positive ratios, got ${baseScale}, ` +
        `${scalesPerOctave} and [${ratios}].`,
    );
  }
  if (!["l1", "iou", "linear-iou", "giou"].includes(settings.boxLoss)) {
    throw new ConfigError(
      `RetinaNet head: boxLoss should be "l1", "iou", "linear-iou" or "giou", got "${settings.boxLoss}".`,
    );
  }
  const { positiveIou, negativeIou } = settings.assign;
  if (!(negativeIou <= positiveIou)) {
    throw new ConfigError(`RetinaNet head: negativeIou ${negativeIou} should not exceed positiveIou ${positiveIou}.`);
  }
  return settings;
}
