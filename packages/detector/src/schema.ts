// Checks data against a zod schema and turns its issues into one ConfigError whose text a person can act on.
import { ConfigError } from "@caddet/core";
import { distance } from "fastest-levenshtein";
import type { z } from "zod";

type Path = readonly PropertyKey[];

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

function nearest(key: string, known: readonly string[]): string | undefined {
  const [best] = known.map((name) => ({ name, d: distance(key, name) })).sort((a, b) => a.d - b.d);
  return best && best.d <= Math.max(2, key.length / 2) ? best.name : undefined;
}

/**
 * Parses data by a schema.
 *
 * @param schema a zod schema
 * @param input the data
 * @param what its name, for error texts
 * @returns the parsed data with defaults
 * @throws ConfigError with one line an issue
 * @example checkConfig(z.strictObject({ lr: z.number() }), { lr: 0.1 }, "optimizer")
 */
export function checkConfig<S extends z.ZodType>(schema: S, input: unknown, what: string): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const lines = result.error.issues.flatMap((issue) => {
    const at = issue.path.map(String).join(".");
    if (issue.code !== "unrecognized_keys") return [`${at || what}: ${issue.message}`];
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const guess = nearest(key, known);
      const place = at ? `${at}.${key}` : key;
      return `${place}: unknown key. ${guess ? `Did you mean "${guess}"?` : `Known are ${known.join(", ")}.`}`;
    });
  });
  throw new ConfigError(`The ${what} configuration is not valid:\n  ${lines.join("\n  ")}`, { issues: lines });
}
