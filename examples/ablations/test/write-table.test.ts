// What a table says: numbers over seeds beside the paper's, what is missing, what does not hold. From records, without training.
import { readFile, rm } from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { reportTable } from "../src/run-table";
import type { TableOrder } from "../src/runs";
import { TABLES } from "../src/tables";
import { freshFolder, pretendRun, tinyBase } from "./tiny-base";

let out: string;
beforeEach(async () => {
  out = await freshFolder();
});
afterEach(() => rm(out, { recursive: true, force: true }));

const orderOf = (id: number, seeds = [0, 1], budgetFactor = 1): TableOrder => ({
  table: TABLES[id - 1]!,
  base: tinyBase,
  seeds,
  settings: { set: [], budgetFactor },
  out,
});

const stats = (ap: number) => [ap, ...Array(11).fill(0.5)];
const routed = (mean: number, std: number) => ({ mean: mean * 1e6, min: 2e6, max: 9e6, std: std * 1e6 });

/** Cells of a Markdown table's row that starts with these labels. */
function cellsOf(markdown: string, ...labels: string[]): string[] {
  const line = markdown.split("\n").find((text) => text.startsWith(`| ${labels.join(" | ")} |`));
  return line!
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

async function written(order: TableOrder) {
  const { content, files } = await reportTable(order);
  const [markdown, json, html] = await Promise.all(
    [files.markdown, files.json, files.html].map((file) => readFile(file, "utf8")),
  );
  return { content, markdown: markdown!, json: JSON.parse(json!), html: html! };
}

it("has mean and interval over seeds, beside the paper's figures", async () => {
  const order = orderOf(1);
  const proposed = order.table.rows[4]!;
  await pretendRun(order, proposed, 0, { stats: stats(0.2), routed: routed(4, 1) });
  await pretendRun(order, proposed, 1, { stats: stats(0.3), routed: routed(6, 1) });
  const { markdown, json, html } = await written(order);
  // Two seeds: half = 12.706 · s / √2, with s = √2 · half the gap. AP 25 ± 63.5, MAdds 5 ± 12.71.
  expect(cellsOf(markdown, "Proposed", "0.05")).toEqual([
    ...["Proposed", "0.05", "2 of 2", "25.0 ± 63.5", "5.00 ± 12.71", "9.00 ± 0.00", "2.00 ± 0.00", "1.00 ± 0.00"],
    ...["26.2", "3912", "4492", "3458", "147.0"],
  ]);
  expect(markdown).toContain("paper: mAP");
  expect(markdown).toContain("COCO val2017, input 640 × 800");
  expect(html).toContain("25.0 ± 63.5");
  expect(html).toContain("paper: mean MAdds");
  expect(html).not.toMatch(/(?:src|href)="https?:/);
  const row = json.rows[4];
  expect(row.here.ap).toMatchObject({ mean: 25, n: 2 });
  expect(row.paper).toMatchObject({ ap: 26.2, std: 147 });
  expect(row.runs.map((run: { measures: { mean: number } }) => run.measures.mean)).toEqual([4, 6]);
});

it("says which runs are missing, and invents nothing", async () => {
  const order = orderOf(1);
  await pretendRun(order, order.table.rows[0]!, 0);
  await pretendRun(order, order.table.rows[4]!, 1, { classes: [{ id: 4, name: "other" }] });
  const { markdown, json, html } = await written(order);
  expect(cellsOf(markdown, "Fixed", "0.1").slice(2, 5)).toEqual(["1 of 2", "25.0", "4.00"]); // one seed: no interval
  expect(cellsOf(markdown, "Proposed", "0.05").slice(2, 8)).toEqual(["0 of 2", "–", "–", "–", "–", "–"]);
  for (const text of [markdown, html]) {
    expect(text).toContain("Fixed 0.1, seed 1: missing: never begun.");
    expect(text).toContain("Proposed 0.05, seed 1: left out: other classes: 1 (other), compared with 1 (disc).");
    expect(text).toContain("this is not decided for the runs here");
    expect(text).toContain("5 of 6 rows have no finished run");
  }
  expect(json.rows[4].here).toBeNull();
  expect(json.rows[4].runs.map((run: { state: string }) => run.state)).toEqual(["missing", "unusable"]);
  expect(json.statement.verdict).toBe("is not decided");
  expect(markdown.match(/missing: never begun/g)).toHaveLength(10);
});

it("says so where the paper's statement does not hold", async () => {
  const order = orderOf(1);
  for (const row of order.table.rows) {
    const spread = row.budget!.mapping === "fixed" ? 2 : 1;
    for (const seed of order.seeds) await pretendRun(order, row, seed, { routed: routed(5, spread + seed / 100) });
  }
  const { markdown, json, html } = await written(order);
  const sentence =
    "Scale-aware budgets spread MAdds more than fixed ones, at no lower AP: this does not hold for the runs here, over 2 comparisons.";
  expect(markdown).toContain(sentence);
  expect(html).toContain(sentence);
  expect(markdown).not.toContain("Runs that do not count");
  expect(json.claims[0].checks[0]).toMatchObject({ measure: "std", is: "more", verdict: "does not hold" });
  expect(json.claims[0].checks[0].difference.mean).toBeCloseTo(-1, 6);
});

it("counts all of backbone and neck in Table 4, and a static backbone without spread", async () => {
  const order = orderOf(4);
  await pretendRun(order, order.table.rows[0]!, 0, { routed: null, constant: 30e6 });
  await pretendRun(order, order.table.rows[4]!, 0, { routed: routed(4, 0.5), constant: 10e6 });
  const { markdown } = await written(order);
  expect(cellsOf(markdown, "MobileNet+FPNLite", "FCOS").slice(4, 8)).toEqual(["30.00", "30.00", "30.00", "0.00"]);
  expect(cellsOf(markdown, "CADDet", "FCOS").slice(4, 8)).toEqual(["14.00", "19.00", "12.00", "0.50"]);
  expect(markdown).toContain("backbone and neck, stem and routers included");
  // The paper's Table 4 has no std.
  expect(markdown).not.toContain("paper: std");
  expect(cellsOf(markdown, "MobileNet+FPNLite", "FCOS").slice(-4)).toEqual(["25.2", "11800", "–", "–"]);
});

it("shows the budgets that were used where they are not the paper's", async () => {
  const { markdown } = await written(orderOf(1, [0], 2.5));
  expect(cellsOf(markdown, "Fixed", "0.1")[2]).toBe("0.25");
  expect(markdown).toContain("C0 of every row is 2.5 times the paper's.");
});
