// What is there of a table's runs: done, begun, missing, or not to be compared with the others, and why. Only looks, never trains.
import { join } from "node:path";
import { CaddetError, type Size } from "@caddet/core";
import { listCheckpoints, type RunFolder, readRunConfig, runFolder } from "@caddet/trainer/node";
import type { Base } from "./bases";
import { type EvaluationRecord, readRecord } from "./evaluation-record";
import { type RunConfig, rowConfig, type Settings } from "./row-config";
import type { DataIdentity } from "./table-data";
import type { Row, Table } from "./tables";

/** Where a run stands. */
export type RunState =
  | { readonly kind: "done"; readonly record: EvaluationRecord }
  | { readonly kind: "missing" }
  | { readonly kind: "begun"; readonly step: number }
  | { readonly kind: "unusable"; readonly reason: string };

/** A run of a table. */
export interface TableRun {
  readonly row: Row;
  readonly seed: number;
  readonly folder: RunFolder;
  readonly config: RunConfig;
  readonly state: RunState;
}

/** What a table is made from. */
export interface TableOrder {
  readonly table: Table;
  readonly base: Base;
  readonly seeds: readonly number[];
  readonly settings: Settings;
  /** The folder that holds `runs/`. */
  readonly out: string;
}

// What may differ without a run being another one.
const WITHOUT_EFFECT = ["data.prefetch", "checkpoint", "memory", "leakSteps", "recipe"];

function differences(a: unknown, b: unknown, at = ""): string[] {
  if (JSON.stringify(a) === JSON.stringify(b) || WITHOUT_EFFECT.includes(at)) return [];
  const isGroup = (v: unknown): v is Record<string, unknown> =>
    typeof v === "object" && v !== null && !Array.isArray(v);
  if (!isGroup(a) || !isGroup(b)) return [at];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap((key) => differences(a[key], b[key], at === "" ? key : `${at}.${key}`));
}

async function stateOf(folder: RunFolder, config: RunConfig, size: Size): Promise<RunState> {
  const [newest] = await listCheckpoints(folder);
  try {
    const record = await readRecord(folder);
    if (!record && !newest) return { kind: "missing" };
    const changed = differences(await readRunConfig(folder), JSON.parse(JSON.stringify(config)));
    if (changed.length > 0) return { kind: "unusable", reason: `other settings: ${changed.join(", ")}` };
    if (!record) return { kind: "begun", step: newest!.step };
    if (record.stats[0]! < 0) return { kind: "unusable", reason: "AP is undefined: val has no objects" };
    const { height, width } = record.size;
    if (height === size.height && width === size.width) return { kind: "done", record };
    return { kind: "unusable", reason: `MAdds counted for ${height} × ${width}` };
  } catch (error) {
    if (!(error instanceof CaddetError)) throw error;
    return { kind: "unusable", reason: error.message };
  }
}

function mismatch(record: EvaluationRecord, compared: DataIdentity, steps: number): string | undefined {
  const { classes, annotations, initialWeights } = compared;
  if (JSON.stringify(record.classes) !== JSON.stringify(classes)) {
    const names = (list: DataIdentity["classes"]) =>
      `${list.length} (${list
        .slice(0, 3)
        .map(({ name }) => name)
        .join(", ")}${list.length > 3 ? ", …" : ""})`;
    return `other classes: ${names(record.classes)}, compared with ${names(classes)}`;
  }
  const split = (["train", "val"] as const).find((name) => record.annotations[name] !== annotations[name]);
  if (split !== undefined) return `another ${split} split`;
  if (record.initialWeights !== initialWeights) return "other initial weights";
  return record.steps === steps ? undefined : `${record.steps} steps, compared with ${steps}`;
}

/**
 * Looks at all runs of a table. Runs on other classes, data, initial weights or numbers of steps than the first finished one are unusable.
 *
 * @param order table, base, seeds, folder
 * @param identity of the data set, where it is known; else the first finished run's
 * @returns a run for every row and seed, row by row
 */
export async function lookAtRuns(
  { table, base, seeds, settings, out }: TableOrder,
  identity?: DataIdentity,
): Promise<TableRun[]> {
  const runs: TableRun[] = [];
  for (const row of table.rows) {
    for (const seed of seeds) {
      const config = rowConfig(row, base, seed, settings);
      const folder = runFolder(join(out, "runs", row.run, `seed-${seed}`));
      runs.push({ row, seed, folder, config, state: await stateOf(folder, config, base.size) });
    }
  }
  const first = runs.flatMap(({ state }) => (state.kind === "done" ? [state.record] : []))[0];
  if (!first) return runs;
  const compared = identity ?? first;
  const sameData = runs.flatMap(({ state }) =>
    state.kind === "done" && mismatch(state.record, compared, state.record.steps) === undefined ? [state.record] : [],
  );
  const steps = (sameData[0] ?? first).steps;
  return runs.map((run) => {
    const reason = run.state.kind === "done" ? mismatch(run.state.record, compared, steps) : undefined;
    return reason === undefined ? run : { ...run, state: { kind: "unusable", reason } };
  });
}
