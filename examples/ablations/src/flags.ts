// The program's command line, checked.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ConfigError } from "@caddet/core";
import { BASE_NAMES, type BaseName } from "./bases";
import type { SceneCounts } from "./drawn-scenes";
import type { Settings } from "./row-config";
import { TABLES, type Table } from "./tables";

/** What was asked for. */
export interface Flags {
  readonly table: Table;
  /** A COCO-format folder, or null for drawn scenes. */
  readonly data: string | null;
  /** Weights that all runs begin from, or null for random ones. */
  readonly init: string | null;
  readonly out: string;
  readonly seeds: readonly number[];
  readonly base: BaseName;
  readonly settings: Settings;
  /** Rows to train; undefined for all. */
  readonly only: readonly string[] | undefined;
  readonly scenes: SceneCounts;
  readonly backend: string;
  readonly reportOnly: boolean;
}

function naturals(flag: string, text: string): number[] {
  const numbers = text.split(",").map(Number);
  if (text.trim() !== "" && numbers.every((n) => Number.isSafeInteger(n) && n >= 0)) return numbers;
  throw new ConfigError(`--${flag} takes whole numbers from 0 with commas between them, got "${text}".`);
}

/**
 * Reads the command line.
 *
 * @param args without the program's name
 * @param cwd the folder that relative paths start from
 * @returns what was asked for
 * @throws ConfigError for a value that cannot be; TypeError of node:util for an unknown flag
 */
export function parseFlags(args: readonly string[], cwd: string): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      table: { type: "string" },
      data: { type: "string" },
      init: { type: "string" },
      out: { type: "string" },
      seeds: { type: "string", default: "0,1,2" },
      base: { type: "string" },
      set: { type: "string", multiple: true, default: [] },
      "budget-factor": { type: "string", default: "1" },
      rows: { type: "string" },
      scenes: { type: "string", default: "1600,200" },
      backend: { type: "string", default: "auto" },
      "report-only": { type: "boolean", default: false },
    },
  });
  const table = TABLES.find(({ id }) => String(id) === values.table);
  if (!table) throw new ConfigError(`--table takes 1, 2, 3 or 4, got ${values.table ?? "nothing"}.`);
  if (!values.data) throw new ConfigError("--data is missing: a COCO-format folder, or drawn.");
  const isDrawn = values.data === "drawn";
  const base = BASE_NAMES.find((name) => name === (values.base ?? (isDrawn ? "drawn" : "paper")));
  if (!base) throw new ConfigError(`--base takes ${BASE_NAMES.join(", ")}, got ${values.base}.`);
  const budgetFactor = Number(values["budget-factor"]);
  if (!(budgetFactor > 0 && Number.isFinite(budgetFactor))) {
    throw new ConfigError(`--budget-factor takes a number above 0, got ${values["budget-factor"]}.`);
  }
  const only = values.rows?.split(",");
  const known = table.rows.map(({ run }) => run);
  const unknown = only?.find((run) => !known.includes(run));
  if (unknown !== undefined) {
    throw new ConfigError(`--rows: Table ${table.id} has no ${unknown}. It has ${known.join(", ")}.`);
  }
  const seeds = naturals("seeds", values.seeds);
  if (new Set(seeds).size < seeds.length) throw new ConfigError(`--seeds has one twice, got ${values.seeds}.`);
  const [train, val, ...rest] = naturals("scenes", values.scenes);
  if (train === undefined || val === undefined || rest.length > 0) {
    throw new ConfigError(`--scenes takes two numbers, of train and val, got ${values.scenes}.`);
  }
  return {
    table,
    data: isDrawn ? null : resolve(cwd, values.data),
    init: values.init === undefined ? null : resolve(cwd, values.init),
    out: resolve(cwd, values.out ?? "runs/ablations"),
    seeds,
    base,
    settings: { set: values.set, budgetFactor },
    only,
    scenes: { train, val },
    backend: values.backend,
    reportOnly: values["report-only"],
  };
}
