// The FCOS head as a part that a detector's configuration can name: its settings as checked data, a lower bound of its weights, and how
// it is built. What the settings mean is in fcos-options.ts.
import type { HeadContext, PartFactory } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";
import { createFcosHead, type FcosHead } from "./fcos-head";
import { flavourSchema, minHeadWeights, normSchema, testSchema, towerSchema } from "./head-schema";

const schema = z.strictObject({
  type: z.literal("fcos").default("fcos"),
  ...towerSchema,
  norm: normSchema.default("group"),
  /** Smallest and largest size that each level is responsible for, in pixels; default: 8 strides a level. */
  regressRanges: z.array(z.tuple([z.number(), z.number()])).optional(),
  centerSampling: z.boolean().default(false),
  centerSampleRadius: z.number().positive().default(1.5),
  normOnBbox: z.boolean().default(false),
  centernessOnReg: z.boolean().default(false),
  boxLoss: z.enum(["iou", "linear-iou", "giou"]).default("iou"),
  normaliser: flavourSchema,
  lossWeights: z
    .strictObject({
      classification: z.number().min(0).default(1),
      box: z.number().min(0).default(1),
      centerness: z.number().min(0).default(1),
    })
    .prefault({}),
  test: testSchema,
});

/** An FCOS head's configuration with every default filled in. */
export type FcosConfig = z.output<typeof schema>;

/**
 * The FCOS head by configuration: `type` "fcos"; the towers are as wide as the pyramid unless `channels` says otherwise.
 *
 * @example fcosFactory.build(fcosFactory.parse({ norm: "batch" }), { inChannels: 96, strides, numClasses: 80, random })
 */
export const fcosFactory: PartFactory<FcosConfig, HeadContext, FcosHead> = {
  type: "fcos",
  parse: (config, at) => checkConfig(schema, config, "FCOS head", { at }),
  build: ({ type: _, channels, regressRanges, ...options }, context) =>
    createFcosHead({
      ...options,
      ...context,
      ...(regressRanges ? { regressRanges } : {}),
      channels: channels ?? context.inChannels,
    }),
  minWeights: (config, context) => minHeadWeights(config, context, 1),
};
