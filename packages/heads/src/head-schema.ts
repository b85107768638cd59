// What the configurations of all dense heads have in common, and the weights that such a head has at least.
// Each head's own settings are in fcos-factory.ts or retina-factory.ts.
import type { HeadContext } from "@caddet/core";
import { z } from "zod";

/** An integer of at least 1. */
export const natural = z.int().min(1);

/** The settings of the towers; how they are normalised by default is each head's own. */
export const towerSchema = {
  /** Width of the towers; default: the pyramid's. */
  channels: natural.optional(),
  stackedConvs: z.int().min(0).max(1000).default(4),
  tower: z.enum(["full", "separable"]).default("full"),
  /** Whether classes and boxes are predicted from one tower. */
  sharedTowers: z.boolean().default(false),
  /** Groups of a group norm. */
  groups: natural.default(32),
};

/** How a tower is normalised. */
export const normSchema = z.enum(["group", "batch", "none"]);

/** Which version of mmdetection is followed. */
export const flavourSchema = z.enum(["mmdet-2.3", "mmdet-2.28"]).default("mmdet-2.3");

/** How detections are picked. */
export const testSchema = z
  .strictObject({
    scoreThreshold: z.number().min(0).max(1).default(0.05),
    nms: z.enum(["hard", "soft-linear", "soft-gaussian"]).default("hard"),
    nmsIou: z.number().min(0).max(1).default(0.5),
    nmsSigma: z.number().positive().default(0.5),
    nmsMinScore: z.number().min(0).default(0.001),
    classAgnostic: z.boolean().default(false),
    nmsPre: natural.default(1000),
    maxPerImage: natural.default(100),
  })
  .prefault({});

/**
 * A number of weights that a dense head has at least: the 1×1 convolutions of its towers and the 3×3 one of the classes.
 *
 * @param config width and depth of the towers
 * @param context what the head has to fit
 * @param anchors predictions for one cell
 */
export function minHeadWeights(
  {
    channels,
    stackedConvs,
    sharedTowers,
  }: {
    readonly channels?: number | undefined;
    readonly stackedConvs: number;
    readonly sharedTowers: boolean;
  },
  { inChannels, numClasses }: HeadContext,
  anchors: number,
): number {
  const width = channels ?? inChannels;
  const count = sharedTowers ? 1 : 2;
  const towers = stackedConvs > 0 ? count * width * (inChannels + (stackedConvs - 1) * width) : 0;
  return towers + 9 * (stackedConvs > 0 ? width : inChannels) * anchors * numClasses;
}
