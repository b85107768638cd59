// The RetinaNet head as a part that a detector's configuration can name: its settings as checked data, a lower bound of its weights, and
// how it is built. What the settings mean is in retina-options.ts.
import type { HeadContext, PartFactory } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";
import { flavourSchema, minHeadWeights, natural, normSchema, testSchema, towerSchema } from "./head-schema";
import { createRetinaHead, type RetinaHead } from "./retina-head";

const fraction = z.number().min(0).max(1);

const schema = z.strictObject({
  type: z.literal("retinanet").default("retinanet"),
  ...towerSchema,
  norm: normSchema.default("none"),
  anchors: z
    .strictObject({
      baseScale: z.number().positive().default(4),
      scalesPerOctave: natural.max(100).default(3),
      ratios: z.array(z.number().positive()).min(1).max(100).default([0.5, 1, 2]),
    })
    .prefault({}),
  assign: z
    .strictObject({
      positiveIou: fraction.default(0.5),
      negativeIou: fraction.default(0.4),
      minPositiveIou: fraction.default(0),
      /** -1: crowds are not looked at. */
      ignoreIof: z.number().min(-1).max(1).default(-1),
    })
    .prefault({}),
  boxLoss: z.enum(["l1", "iou", "linear-iou", "giou"]).default("l1"),
  flavour: flavourSchema,
  test: testSchema,
});

/** A RetinaNet head's configuration with every default filled in. */
export type RetinaConfig = z.output<typeof schema>;

/**
 * The RetinaNet head by configuration: `type` "retinanet"; the towers are as wide as the pyramid unless `channels` says otherwise.
 *
 * @example retinaFactory.build(retinaFactory.parse({ stackedConvs: 2 }), { inChannels: 96, strides, numClasses: 80, random })
 */
export const retinaFactory: PartFactory<RetinaConfig, HeadContext, RetinaHead> = {
  type: "retinanet",
  parse: (config, at) => checkConfig(schema, config, "RetinaNet head", { at }),
  build: ({ type: _, channels, ...options }, context) =>
    createRetinaHead({ ...options, ...context, channels: channels ?? context.inChannels }),
  minWeights: (config, context) => {
    const { scalesPerOctave, ratios } = config.anchors;
    return minHeadWeights(config, context, scalesPerOctave * ratios.length);
  },
};
