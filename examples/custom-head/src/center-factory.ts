// The center head as a part that a detector's configuration can name: its settings as checked data, and how it is built. With it,
// @caddet/detector, trainer and inferencer take the head like one of @caddet/heads.
import type { HeadContext, PartFactory } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";
import { CenterHead } from "./center-head";

const schema = z.strictObject({
  type: z.literal("center").default("center"),
  channels: z.int().min(1).default(64),
  /** The original's λ_size and λ_off. */
  lossWeights: z
    .strictObject({
      heat: z.number().min(0).default(1),
      size: z.number().min(0).default(0.1),
      offset: z.number().min(0).default(1),
    })
    .prefault({}),
  test: z
    .strictObject({
      scoreThreshold: z.number().min(0).max(1).default(0.05),
      maxPerImage: z.int().min(1).default(100),
    })
    .prefault({}),
});

/** A center head's configuration with every default filled in. */
export type CenterConfig = z.output<typeof schema>;

/**
 * The center head by configuration: `type` "center".
 *
 * @example parseModelConfig({ head: { type: "center" } }, { backbones: [supernetFactory], heads: [fcosFactory, centerFactory] })
 */
export const centerFactory: PartFactory<CenterConfig, HeadContext, CenterHead> = {
  type: "center",
  parse: (config, at) => checkConfig(schema, config, "center head", { at }),
  build: ({ type: _, ...settings }, context) => new CenterHead({ ...settings, ...context }),
  minWeights: ({ channels }, { inChannels, numClasses }) => channels * (27 * inChannels + numClasses + 4),
};
