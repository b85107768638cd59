// A table as files: table.md, table.json, table.html, each whole or not at all.
import { join } from "node:path";
import { writeFileAtomic } from "@caddet/trainer/node";
import { paragraphHtml, type ReportSection, reportHtml, tableHtml } from "@caddet/viz";
import { claimText } from "./claims";
import { type TableContent, type TableView, viewTable, whyNot } from "./table-view";

/** The files of a written table. */
export interface TableFiles {
  readonly markdown: string;
  readonly json: string;
  readonly html: string;
}

/** A table as Markdown. */
export function tableMarkdown({ title, header, rows, notes, statement, claims, missing }: TableView): string {
  const escaped = (text: string) => text.replaceAll("|", "\\|");
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(" | ")} |`;
  const list = (heading: string, items: readonly string[]) =>
    items.length > 0 ? [heading, "", ...items.map((item) => `- ${item}`), ""] : [];
  return [
    `# ${title}`,
    "",
    `**${statement}**`,
    "",
    line(header),
    line(header.map(() => "---")),
    ...rows.map(line),
    "",
    ...list("Comparisons, seed by seed:", claims),
    ...list("Runs that do not count:", missing),
    ...notes.flatMap((note) => [note, ""]),
  ].join("\n");
}

/** A table as data: estimates, each run's numbers and state, verdicts. */
export function tableJson({ order, runs, results, claims, verdict }: TableContent): unknown {
  const { table, seeds, settings, base } = order;
  return {
    table: table.id,
    title: table.title,
    counts: table.counts,
    size: base.size,
    seeds,
    settings,
    units: { ap: "percent", madds: "millions" },
    statement: { text: table.statement, verdict },
    claims: claims.map((claim) => ({
      row: claim.row.run,
      against: claim.against.run,
      seeds: claim.seeds,
      checks: claim.checks,
      verdict: claim.verdict,
      text: claimText(claim),
    })),
    rows: results.map(({ row, bySeed, over }) => ({
      run: row.run,
      labels: row.labels,
      here: over,
      paper: { ...row.paper, setup: table.paperSetup },
      runs: runs
        .filter((run) => run.row === row)
        .map((run) => ({
          seed: run.seed,
          state: run.state.kind,
          ...(whyNot(run) === undefined ? {} : { reason: whyNot(run) }),
          measures: bySeed.get(run.seed) ?? null,
          record: run.state.kind === "done" ? run.state.record : null,
        })),
    })),
  };
}

/** A table as one page that loads nothing. */
export function tablePage({ title, header, rows, notes, statement, claims, missing }: TableView): string {
  const paragraphs = (texts: readonly string[]) => texts.map(paragraphHtml).join("");
  const section = (id: string, heading: string, texts: readonly string[]): ReportSection[] =>
    texts.length > 0 ? [{ id, title: heading, html: paragraphs(texts) }] : [];
  return reportHtml({
    title,
    subtitle: statement,
    sections: [
      { id: "table", title: "Measured here, beside the paper", html: tableHtml(header, rows) + paragraphs(notes) },
      ...section("comparisons", "Comparisons, seed by seed", claims),
      ...section("missing", "Runs that do not count", missing),
    ],
  });
}

/**
 * Writes a table.
 *
 * @param folder where to; it is made
 * @param content what {@link viewTable} takes
 * @returns the files
 * @throws RunWriteError when one cannot be written
 */
export async function writeTable(folder: string, content: TableContent): Promise<TableFiles> {
  const view = viewTable(content);
  const files = {
    markdown: join(folder, "table.md"),
    json: join(folder, "table.json"),
    html: join(folder, "table.html"),
  };
  await writeFileAtomic(files.markdown, tableMarkdown(view));
  await writeFileAtomic(files.json, `${JSON.stringify(tableJson(content), null, 2)}\n`);
  await writeFileAtomic(files.html, tablePage(view));
  return files;
}
