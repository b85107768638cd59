// A run's numbers in the units of a table, and a row's over its seeds.
import type { EvaluationRecord } from "./evaluation-record";
import type { TableRun } from "./runs";
import { type Estimate, estimate } from "./statistics";
import type { Row, Table } from "./tables";

/** AP in percent; MAdds in millions, over the images of val. */
export interface Measures {
  readonly ap: number;
  readonly mean: number;
  readonly max: number;
  readonly min: number;
  readonly std: number;
}

/** The names, in the order of the tables. */
export const MEASURES = ["ap", "mean", "max", "min", "std"] as const satisfies readonly (keyof Measures)[];

/** A row with what its finished runs gave. */
export interface RowResult {
  readonly row: Row;
  /** Of the runs that count, by seed. */
  readonly bySeed: ReadonlyMap<number, Measures>;
  /** Over those; null where there is none. */
  readonly over: Readonly<Record<keyof Measures, Estimate>> | null;
}

/**
 * A run's numbers.
 *
 * @param record the run's
 * @param counts what MAdds are of: blocks and paths, or backbone and neck
 */
export function measuresOf({ stats, routed, constant }: EvaluationRecord, counts: Table["counts"]): Measures {
  const besides = counts === "routed" ? 0 : constant;
  const { mean, min, max, std } = routed ?? { mean: 0, min: 0, max: 0, std: 0 };
  const million = (madds: number) => madds / 1e6;
  return {
    ap: stats[0]! * 100,
    mean: million(mean + besides),
    max: million(max + besides),
    min: million(min + besides),
    std: million(std),
  };
}

/** Gathers a table's runs by row. */
export function rowResults({ rows, counts }: Table, runs: readonly TableRun[]): RowResult[] {
  return rows.map((row) => {
    const bySeed = new Map<number, Measures>();
    for (const { row: owner, seed, state } of runs) {
      if (owner === row && state.kind === "done") bySeed.set(seed, measuresOf(state.record, counts));
    }
    const over = (name: keyof Measures) => estimate([...bySeed.values()].map((m) => m[name]));
    if (bySeed.size === 0) return { row, bySeed, over: null };
    return {
      row,
      bySeed,
      over: { ap: over("ap"), mean: over("mean"), max: over("max"), min: over("min"), std: over("std") },
    };
  });
}
