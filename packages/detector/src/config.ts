// The configuration of a detector as plain data, saved with every checkpoint. Which parts there are, and what each can be told, is the
// business of their factories; here a configuration finds the factories that it names.
import { type BackboneFactory, ConfigError, type HeadFactory, type NeckFactory, type PartConfig } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";

/** The parts that a configuration can name. The first of each list is the default. */
export interface ModelParts {
  readonly backbones: readonly BackboneFactory[];
  /** Default none. A detector has a neck where its configuration asks for one. */
  readonly necks?: readonly NeckFactory[];
  readonly heads: readonly HeadFactory[];
}

/** A detector's configuration with every default filled in. */
export interface ModelConfig {
  readonly backbone: PartConfig;
  /** Absent where the head follows the backbone at once. */
  readonly neck?: PartConfig;
  readonly head: PartConfig;
}

const modelSchema = z.strictObject({
  backbone: z.looseObject({}).prefault({}),
  neck: z.looseObject({}).optional(),
  head: z.looseObject({}).prefault({}),
});

/** A detector's configuration as one writes it; what the parts can be told is checked by `parseModelConfig`. */
export type ModelConfigInput = z.input<typeof modelSchema>;

type PartKind = "backbone" | "neck" | "head";

/** Finds the factory of a type, or throws a ConfigError that lists those there are. */
export function findFactory<F extends { readonly type: string }>(
  kind: PartKind,
  factories: readonly F[],
  type: unknown,
): F {
  const found = factories.find((factory) => factory.type === type);
  if (found) return found;
  const known = factories.map((factory) => factory.type);
  throw new ConfigError(
    `model.${kind}.type: there is no ${kind} ${JSON.stringify(type)}. ` +
      (known.length > 0 ? `Known are ${known.join(", ")}.` : `None are known: pass one in parts.${kind}s.`),
    { kind, type, known },
  );
}

function parsePart(
  kind: PartKind,
  factories: readonly Pick<BackboneFactory, "type" | "parse">[],
  config: Readonly<Record<string, unknown>>,
): PartConfig {
  const factory = findFactory(kind, factories, config.type ?? factories[0]?.type);
  return factory.parse({ ...config, type: factory.type }, `model.${kind}`);
}

/**
 * Checks a detector's configuration and fills in its defaults.
 *
 * @param input what someone wrote
 * @param parts the parts that it can name; without a `type` it means the first, and without a `neck` there is none
 * @returns the whole configuration, which can be saved as JSON and parsed again
 * @throws ConfigError that names the key by its path from `model`, and for an unknown type the known ones
 * @example parseModelConfig({ backbone: { preset: "small" } }, { backbones: [supernetFactory], heads: [fcosFactory] })
 */
export function parseModelConfig(input: unknown, parts: ModelParts): ModelConfig {
  const { backbone, neck, head } = checkConfig(modelSchema, input, "model", { at: "model" });
  return {
    backbone: parsePart("backbone", parts.backbones, backbone),
    ...(neck ? { neck: parsePart("neck", parts.necks ?? [], neck) } : {}),
    head: parsePart("head", parts.heads, head),
  };
}
