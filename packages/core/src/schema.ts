// Checks data against a zod schema and turns its issues into one ConfigError whose text a person can act on. The schemas are
// their owners'; this is the one file of core that needs zod, so it has an entry of its own: @caddet/core/schema.
import { distance } from "fastest-levenshtein";
import type { z } from "zod";
import { ConfigError } from "./errors";

type Path = readonly PropertyKey[];

/** Options of {@link checkConfig}. */
export interface CheckConfigOptions {
  /** The dotted path at which the data stands in something larger; it leads every path of an error text. Default none. */
  readonly at?: string;
  /** Other names by which people look for a key, e.g. `{ learningRate: "lr" }`; only used to suggest the key. Default none. */
  readonly aliases?: Readonly<Record<string, string>>;
}

// The keys that the schema knows at a path, through defaults, optional wrappers and arrays.
function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  let at: unknown = schema;
  const unwrap = () => {
    while (at && typeof at === "object" && "_zod" in at) {
      const { def } = (at as { _zod: { def: { innerType?: unknown } } })._zod;
      if (!def.innerType) break;
      at = def.innerType;
    }
  };
  unwrap();
  for (const key of path) {
    const { shape, element } = (at ?? {}) as { shape?: Record<string, unknown>; element?: unknown };
    at = shape ? shape[String(key)] : element;
    unwrap();
  }
  return Object.keys((at as { shape?: Record<string, unknown> } | undefined)?.shape ?? {});
}

function nearest(key: string, known: readonly string[], aliases: Readonly<Record<string, string>>): string | undefined {
  const others = Object.entries(aliases).filter(([, name]) => known.includes(name));
  const [best] = [...known.map((name) => [name, name] as const), ...others]
    .map(([text, name]) => ({ name, d: distance(key, text) }))
    .sort((a, b) => a.d - b.d);
  return best && best.d <= Math.max(2, key.length / 2) ? best.name : undefined;
}

/**
 * Parses data by a schema.
 *
 * @param schema a zod schema
 * @param input the data
 * @param what its name, for error texts
 * @param options where the data stands, and other names of keys
 * @returns the parsed data with defaults
 * @throws ConfigError with one line an issue
 * @example checkConfig(z.strictObject({ lr: z.number() }), { lr: 0.1 }, "optimizer")
 */
export function checkConfig<S extends z.ZodType>(
  schema: S,
  input: unknown,
  what: string,
  { at = "", aliases = {} }: CheckConfigOptions = {},
): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const lines = result.error.issues.flatMap((issue) => {
    const place = [at, ...issue.path.map(String)].filter((key) => key !== "").join(".");
    if (issue.code !== "unrecognized_keys") return [`${place || what}: ${issue.message}`];
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const guess = nearest(key, known, aliases);
      const path = place ? `${place}.${key}` : key;
      return `${path}: unknown key. ${guess ? `Did you mean "${guess}"?` : `Known are ${known.join(", ")}.`}`;
    });
  });
  throw new ConfigError(`The ${what} configuration is not valid:\n  ${lines.join("\n  ")}`, { issues: lines });
}
