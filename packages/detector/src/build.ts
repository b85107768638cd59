// From configuration to detector: finds the factories that a configuration names and joins what they build. It knows no part itself.
import type { Backbone, DetectionHead, Neck, Random } from "@caddet/core";
import { findFactory, type ModelConfig, type ModelParts } from "./config";
import { composeDetector, type Detector } from "./detector";

/** Options of {@link buildDetector}. */
export interface BuildOptions {
  /** The parts that the configuration was parsed with. */
  readonly parts: ModelParts;
  readonly numClasses: number;
  /** Where the initial weights come from. */
  readonly random: Random;
}

/**
 * Builds a detector with fresh weights.
 *
 * @param config a whole configuration, from `parseModelConfig`
 * @param options parts, number of classes and a seeded generator
 * @returns the detector; dispose it when done
 * @throws ConfigError when parts do not fit; no tensor is left then
 * @example buildDetector(parseModelConfig({}, parts), { parts, numClasses: 5, random: createRandom(0) })
 */
export function buildDetector(config: ModelConfig, options: BuildOptions): Detector {
  return buildWithin(config, options, () => {});
}

/**
 * As {@link buildDetector}, but asks before each part is built.
 *
 * @param allow gets the number of weights that the parts so far and the next one have at least; throws to refuse it
 */
export function buildWithin(
  config: ModelConfig,
  { parts, numClasses, random }: BuildOptions,
  allow: (minWeights: number) => void,
): Detector {
  const backbones = findFactory("backbone", parts.backbones, config.backbone.type);
  const necks = config.neck && findFactory("neck", parts.necks ?? [], config.neck.type);
  const heads = findFactory("head", parts.heads, config.head.type);
  let weights = backbones.minWeights?.(config.backbone, { random }) ?? 0;
  allow(weights);
  const backbone: Backbone = backbones.build(config.backbone, { random });
  let neck: Neck | undefined;
  let head: DetectionHead | undefined;
  try {
    if (config.neck && necks) {
      const behind = { inChannels: backbone.channels, strides: backbone.strides, random };
      weights += necks.minWeights?.(config.neck, behind) ?? 0;
      allow(weights);
      neck = necks.build(config.neck, behind);
    }
    const { channels, strides } = neck ?? backbone;
    const context = { inChannels: channels, strides, numClasses, random };
    allow(weights + (heads.minWeights?.(config.head, context) ?? 0));
    head = heads.build(config.head, context);
    return composeDetector({ backbone, ...(neck ? { neck } : {}), head });
  } catch (error) {
    backbone.dispose();
    neck?.dispose();
    head?.dispose();
    throw error;
  }
}
