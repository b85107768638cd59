// A table as headings and cells of text, for Markdown and HTML alike: what was measured here, beside what the paper has, each under its
// name; and sentences on what is missing and what holds.
import { type CheckedClaim, checkClaims, claimText, type Verdict, verdictOf } from "./claims";
import { MEASURES, type RowResult, rowResults } from "./measures";
import type { TableOrder, TableRun } from "./runs";
import type { Estimate } from "./statistics";
import type { PaperFigures, Table } from "./tables";

/** A table, ready to be written. */
export interface TableView {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What the numbers are. */
  readonly notes: readonly string[];
  /** Whether the table's statement holds, as one sentence. */
  readonly statement: string;
  readonly verdict: Verdict;
  /** The statement's parts. */
  readonly claims: readonly string[];
  /** Runs that do not count, and why; one sentence each. */
  readonly missing: readonly string[];
}

/** Everything that a table is written from. */
export interface TableContent {
  readonly order: TableOrder;
  readonly runs: readonly TableRun[];
  readonly results: readonly RowResult[];
  readonly claims: readonly CheckedClaim[];
  readonly verdict: Verdict;
}

/** Puts rows and claims together from a table's runs. */
export function tableContent(order: TableOrder, runs: readonly TableRun[]): TableContent {
  const results = rowResults(order.table, runs);
  const claims = checkClaims(order.table, results);
  return { order, runs, results, claims, verdict: verdictOf(claims) };
}

const NOTHING = "–";
const HEADINGS = { ap: "mAP", mean: "mean MAdds", max: "max MAdds", min: "min MAdds", std: "std" } as const;
const DIGITS = { ap: 1, mean: 2, max: 2, min: 2, std: 2 } as const;

function estimateText({ mean, half }: Estimate, digits: number): string {
  const text = mean.toFixed(digits);
  return half === null ? text : `${text} ± ${half.toFixed(digits)}`;
}

/** Why a run does not count; undefined for one that does. */
export function whyNot({ state }: TableRun): string | undefined {
  switch (state.kind) {
    case "done":
      return undefined;
    case "missing":
      return "missing: never begun";
    case "begun":
      return `missing: ends at step ${state.step}, not evaluated`;
    case "unusable":
      return `left out: ${state.reason}`;
  }
}

function statementText(
  { statement, claims: { length } }: Table,
  verdict: Verdict,
  results: readonly RowResult[],
): string {
  const without = results.filter(({ over }) => over === null).length;
  const rest = without > 0 ? ` ${without} of ${results.length} rows have no finished run.` : "";
  const of = length > 1 ? `, over ${length} comparisons` : "";
  return `${statement}: this ${verdict} for the runs here${of}.${rest}`;
}

/**
 * Writes a table's content as texts.
 *
 * @param content from {@link tableContent}
 * @returns headings and rows of the same length, notes, and what does not count
 */
export function viewTable({ order, runs, results, claims, verdict }: TableContent): TableView {
  const { table, base, seeds, settings } = order;
  const { budgetFactor } = settings;
  const isScaled = budgetFactor !== 1;
  const { height, width } = base.size;
  // Only the columns that the paper's own table has.
  const printed = MEASURES.filter((name) => table.rows.some(({ paper }) => paper[name] !== undefined));
  const paperCell = (paper: PaperFigures, name: (typeof MEASURES)[number]) => {
    const value = paper[name];
    return value === undefined ? NOTHING : name === "ap" || name === "std" ? value.toFixed(1) : String(value);
  };
  const costs =
    table.counts === "routed" ? "open blocks and paths (Eq. 2)" : "backbone and neck, stem and routers included";
  return {
    title: `Table ${table.id}: ${table.title}`,
    header: [
      ...table.labels,
      ...(isScaled ? ["C0/C_tot here"] : []),
      "seeds",
      ...MEASURES.map((name) => HEADINGS[name]),
      ...printed.map((name) => `paper: ${HEADINGS[name]}`),
    ],
    rows: results.map(({ row, bySeed, over }) => [
      ...row.labels,
      ...(isScaled ? [row.budget ? String(+(row.budget.ratio * budgetFactor).toPrecision(6)) : NOTHING] : []),
      `${bySeed.size} of ${seeds.length}`,
      ...MEASURES.map((name) => (over ? estimateText(over[name], DIGITS[name]) : NOTHING)),
      ...printed.map((name) => paperCell(row.paper, name)),
    ]),
    notes: [
      `Measured here: mAP in percent on this data set's val; MAdds in millions for an input of ${height} × ${width} pixels, ${costs}; ` +
        "mean, max, min and std are over the images. Each number is the mean over seeds ± its 95 % confidence interval (Student's t); one seed has none.",
      'A comparison\'s "more" or "less" holds where the whole 95 % interval of the seeds\' differences lies on that side, "no less" where their mean is not below 0.',
      `Columns "paper" are the paper's own figures (${table.paperSetup}): with other data, networks or schedules, compare the rows' order, not the numbers.`,
      ...(isScaled ? [`C0 of every row is ${budgetFactor} times the paper's.`] : []),
    ],
    statement: statementText(table, verdict, results),
    verdict,
    claims: claims.map(claimText),
    missing: runs.flatMap((run) => {
      const reason = whyNot(run);
      return reason === undefined ? [] : [`${run.row.labels.join(" ")}, seed ${run.seed}: ${reason}.`];
    }),
  };
}
