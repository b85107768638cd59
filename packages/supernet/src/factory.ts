// The supernet as a part that a detector's configuration can name: its settings as checked data, a lower bound of its weights, and how
// it is built. Everything in a preset can be overridden.
import type { BackboneContext, PartFactory, Random } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { type Gate, gumbelGate, hardConcreteGate, sigmoidGate, tanhGate } from "@caddet/router";
import { z } from "zod";
import { supernetCost } from "./cost";
import { PRESETS } from "./presets";
import { createRoutingSpace, type SupernetShape } from "./routing-space";
import { createSupernet, type Supernet } from "./supernet";

const natural = z.int().min(1);

// The gates with their default settings; others are passed to createSupernet in code.
const GATES: Readonly<Record<"tanh" | "sigmoid" | "hard-concrete" | "gumbel", (random: Random) => Gate>> = {
  tanh: () => tanhGate(),
  sigmoid: () => sigmoidGate(),
  "hard-concrete": (random) => hardConcreteGate({ random }),
  gumbel: (random) => gumbelGate({ random }),
};

const schema = z.strictObject({
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
  /** How the routers' logits become gates; the last two are random in training. */
  gate: z.enum(["tanh", "sigmoid", "hard-concrete", "gumbel"]).default("tanh"),
});

/** A supernet's configuration with every default filled in. */
export type SupernetConfig = z.output<typeof schema>;

function shapeOf({ preset, layers, channels, sepConvs, pyramid }: SupernetConfig): SupernetShape {
  const base = PRESETS[preset];
  return {
    layers: layers ?? base.layers,
    channels: channels ?? base.channels,
    sepConvs: sepConvs ?? base.sepConvs,
    pyramid: pyramid ?? base.pyramid,
  };
}

/**
 * The supernet by configuration: `type` "supernet", a `preset`, and any of its numbers overridden.
 *
 * @example supernetFactory.build(supernetFactory.parse({ preset: "small", layers: 6 }), { random: createRandom(0) })
 */
export const supernetFactory: PartFactory<SupernetConfig, BackboneContext, Supernet> = {
  type: "supernet",
  parse: (config, at) => checkConfig(schema, config, "supernet", { at }),
  build: (config, { random }) => {
    const { threshold, gateValue } = config;
    return createSupernet({ ...shapeOf(config), threshold, gateValue, gate: GATES[config.gate](random), random });
  },
  // At 8 × 8 pixels each map has one cell: a convolution's MAdds are its weights. Stem and routers are left out.
  minWeights: (config) => {
    const { total, pyramid } = supernetCost(createRoutingSpace(shapeOf(config)), { height: 8, width: 8 });
    return total + pyramid;
  },
};
