// MobileNets and FPNLite as parts that a detector's configuration can name: their settings as checked data, a lower bound of their
// weights, and how they are built. What the settings mean is in mobilenet-backbone.ts and fpn-lite.ts.
import type { BackboneContext, NeckContext, PartFactory } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";
import { createFpnLite, type FpnLite, fpnLiteCost } from "./fpn-lite";
import { MobileNetBackbone, planCost } from "./mobilenet-backbone";
import { planMobileNetV1 } from "./mobilenet-v1";
import { planMobileNetV2 } from "./mobilenet-v2";
import type { LayerPlan, MobileNetTail } from "./plan";

const depth = z.int().min(1).default(128);
const levels = z.int().max(16);

const neckSchema = z.strictObject({
  type: z.literal("fpnlite").default("fpnlite"),
  depth,
  /** Default: 5, or as many as are in front. */
  levels: levels.min(1).optional(),
});

/** An FPNLite's configuration with every default filled in. */
export type FpnLiteConfig = z.output<typeof neckSchema>;

const shapeOf = ({ depth, levels }: FpnLiteConfig, { inChannels, strides }: NeckContext) => ({
  inChannels,
  strides,
  depth,
  ...(levels === undefined ? {} : { levels }),
});

/**
 * FPNLite by configuration: `type` "fpnlite". It stands between a backbone and a head.
 *
 * @example fpnLiteFactory.build(fpnLiteFactory.parse({ depth: 64 }), { inChannels: 256, strides, random })
 */
export const fpnLiteFactory: PartFactory<FpnLiteConfig, NeckContext, FpnLite> = {
  type: "fpnlite",
  parse: (config, at) => checkConfig(neckSchema, config, "FPNLite", { at }),
  build: (config, context) => createFpnLite({ ...shapeOf(config, context), random: context.random }),
  // On an input of one pixel each map has one cell: a convolution's MAdds are its weights.
  minWeights: (config, context) => fpnLiteCost(shapeOf(config, context), { height: 1, width: 1 }).total,
};

const mobileNetSchema = {
  width: z.number().positive().max(16).default(1),
  tail: z.enum(["imagenet", "short"]).default("imagenet"),
  neck: z.strictObject({ depth, levels: levels.min(3).default(5) }).prefault({}),
};

const v1Schema = z.strictObject({ type: z.literal("mobilenetv1").default("mobilenetv1"), ...mobileNetSchema });
const v2Schema = z.strictObject({ type: z.literal("mobilenetv2").default("mobilenetv2"), ...mobileNetSchema });

/** A MobileNetV1 backbone's configuration with every default filled in. */
export type MobileNetV1Config = z.output<typeof v1Schema>;

/** A MobileNetV2 backbone's configuration with every default filled in. */
export type MobileNetV2Config = z.output<typeof v2Schema>;

function mobileNetFactory<C extends MobileNetV1Config | MobileNetV2Config>(
  type: C["type"],
  parse: (config: unknown, at?: string) => C,
  plan: (width: number, tail: MobileNetTail) => LayerPlan[],
): PartFactory<C, BackboneContext, MobileNetBackbone> {
  return {
    type,
    parse,
    build: ({ width, tail, neck }, { random }) => new MobileNetBackbone(plan(width, tail), neck, random),
    // As above: one cell a map.
    minWeights: ({ width, tail, neck }) => planCost(plan(width, tail), neck, { height: 1, width: 1 }).total,
  };
}

/**
 * MobileNetV1 with FPNLite by configuration: `type` "mobilenetv1".
 *
 * @example mobileNetV1Factory.build(mobileNetV1Factory.parse({ neck: { depth: 96 } }), { random: createRandom(0) })
 */
export const mobileNetV1Factory = mobileNetFactory<MobileNetV1Config>(
  "mobilenetv1",
  (config, at) => checkConfig(v1Schema, config, "MobileNetV1", { at }),
  planMobileNetV1,
);

/**
 * MobileNetV2 with FPNLite by configuration: `type` "mobilenetv2".
 *
 * @example mobileNetV2Factory.build(mobileNetV2Factory.parse({ width: 0.5 }), { random: createRandom(0) })
 */
export const mobileNetV2Factory = mobileNetFactory<MobileNetV2Config>(
  "mobilenetv2",
  (config, at) => checkConfig(v2Schema, config, "MobileNetV2", { at }),
  planMobileNetV2,
);
