// The configuration of a detector as plain data: checked against a schema, saved with every checkpoint. Everything in a preset can be
// overridden; an unknown key names the nearest known one.
import { ConfigError } from "@caddet/core";
import { PRESETS, type SupernetShape } from "@caddet/supernet";
import { z } from "zod";
import { checkConfig } from "./schema";

const natural = z.int().min(1);

const backboneSchema = z.strictObject({
  type: z.literal("supernet").default("supernet"),
  /** Gives the shape's defaults. */
  preset: z.enum(["paper", "small", "tiny"]).default("paper"),
  layers: natural.max(1000).optional(),
  channels: z.array(natural).min(1).max(16).optional(),
  sepConvs: natural.optional(),
  pyramid: natural.optional(),
  /** τ: gates below are closed. */
  threshold: z.number().min(0).max(1).default(1e-4),
  gateValue: z.enum(["soft", "binary"]).default("soft"),
});

const headSchema = z.strictObject({
  type: z.literal("fcos").default("fcos"),
  /** Width of the towers; default: the pyramid's. */
  channels: natural.optional(),
  stackedConvs: z.int().min(0).max(1000).default(4),
  tower: z.enum(["full", "separable"]).default("full"),
  norm: z.enum(["group", "batch", "none"]).default("group"),
  /** Groups of the group norm. */
  groups: natural.default(32),
  /** Smallest and largest size that each level is responsible for, in pixels; default: 8 strides a level. */
  regressRanges: z.array(z.tuple([z.number(), z.number()])).optional(),
  centerSampling: z.boolean().default(false),
  centerSampleRadius: z.number().positive().default(1.5),
  normOnBbox: z.boolean().default(false),
  centernessOnReg: z.boolean().default(false),
  boxLoss: z.enum(["iou", "linear-iou", "giou"]).default("iou"),
  normaliser: z.enum(["mmdet-2.3", "mmdet-2.28"]).default("mmdet-2.3"),
  test: z
    .strictObject({
      scoreThreshold: z.number().min(0).max(1).default(0.05),
      nmsIou: z.number().min(0).max(1).default(0.5),
      nmsPre: natural.default(1000),
      maxPerImage: natural.default(100),
    })
    .prefault({}),
});

/** The schema of a detector's configuration. */
export const modelConfigSchema = z.strictObject({
  backbone: backboneSchema.prefault({}),
  head: headSchema.prefault({}),
});

/** A detector's configuration with every default filled in. */
export type ModelConfig = z.output<typeof modelConfigSchema>;

/** A detector's configuration as one writes it. */
export type ModelConfigInput = z.input<typeof modelConfigSchema>;

/**
 * Checks a detector's configuration and fills in its defaults.
 *
 * @param input what someone wrote
 * @returns the whole configuration
 * @throws ConfigError that names the key, and for an unknown key the nearest known one
 * @example parseModelConfig({ backbone: { preset: "small" } })
 */
export function parseModelConfig(input: unknown): ModelConfig {
  return checkConfig(modelConfigSchema, input, "model");
}

/** The supernet's shape that a configuration asks for. */
export function supernetShape({ backbone }: Pick<ModelConfig, "backbone">): SupernetShape {
  const preset = PRESETS[backbone.preset];
  if (!preset) throw new ConfigError(`There is no preset "${backbone.preset}".`);
  const { layers, channels, sepConvs, pyramid } = backbone;
  return {
    layers: layers ?? preset.layers,
    channels: channels ?? preset.channels,
    sepConvs: sepConvs ?? preset.sepConvs,
    pyramid: pyramid ?? preset.pyramid,
  };
}
