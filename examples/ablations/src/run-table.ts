// A table from its first run to its files: makes the runs that are missing, seed by seed, so that an end on the way leaves whole seeds,
// and writes the table anew after each.
import { join } from "node:path";
import { CheckpointError } from "@caddet/core";
import type { ProgressStream } from "@caddet/trainer/node";
import { checkSettings } from "./row-config";
import { lookAtRuns, type TableOrder, type TableRun } from "./runs";
import type { TableData } from "./table-data";
import { type TableContent, tableContent } from "./table-view";
import { trainRun } from "./train-run";
import { type TableFiles, writeTable } from "./write-table";

/** How a table is made. */
export interface RunTableOptions {
  /** Rows to train, by `run`; default all. The others are shown with what there is. */
  readonly only?: readonly string[];
  readonly data: TableData;
  readonly backend: string;
  /** Asks to end after the current step. */
  readonly stop: { readonly aborted: boolean };
  readonly progress: ProgressStream;
}

/** A table that is on disk. */
export interface WrittenTable {
  readonly content: TableContent;
  readonly files: TableFiles;
}

/** Where a table's files go. */
const folderOf = ({ out, table }: TableOrder) => join(out, `table-${table.id}`);

/**
 * Writes a table of what there is, without training.
 *
 * @param order which table, where
 * @param data of which data set, where that is known
 * @returns the table and its files
 */
export async function reportTable(order: TableOrder, data?: TableData): Promise<WrittenTable> {
  checkSettings(order.table, order.settings.set);
  const content = tableContent(order, await lookAtRuns(order, data));
  return { content, files: await writeTable(folderOf(order), content) };
}

// A run that is there, but another one than is asked for, is not trained over.
function refuse({ folder, state }: TableRun): void {
  if (state.kind !== "unusable") return;
  throw new CheckpointError(
    `${folder.path} cannot be compared (${state.reason}). Choose another --out, ask for what it is, or remove it.`,
    { run: folder.path },
  );
}

/**
 * Makes a table's runs and writes it. Finished runs are left alone, begun ones go on where they ended.
 *
 * @param order which table, where
 * @param options data set, backend, and what to train
 * @returns the table as it stands, in the end or when it was asked to stop
 * @throws CheckpointError before any training when a folder holds another run than is asked for
 */
export async function runTable(order: TableOrder, options: RunTableOptions): Promise<WrittenTable> {
  const { only, data, backend, stop, progress } = options;
  const first = await reportTable(order, data);
  const isWanted = ({ row }: TableRun) => only === undefined || only.includes(row.run);
  const wanted = first.content.runs.filter(isWanted);
  for (const run of wanted) refuse(run);
  const todo = order.seeds.flatMap((seed) =>
    wanted.filter((run) => run.seed === seed && (run.state.kind === "missing" || run.state.kind === "begun")),
  );
  let written = first;
  for (const [i, { row, seed, config, folder }] of todo.entries()) {
    if (stop.aborted) break;
    progress.write(`run ${i + 1} of ${todo.length}: ${row.labels.join(" ")}, seed ${seed} (${folder.path})\n`);
    const { size } = order.base;
    await trainRun({ run: row.run, config, folder, data, size, backend, stop, progress });
    written = await reportTable(order, data);
  }
  return written;
}
