// The tables' data: the paper's figures as its text has them, and rows that differ in what the table is about and in nothing else.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BASE_NAMES, baseOf } from "../src/bases";
import { rowConfig } from "../src/row-config";
import { TABLES } from "../src/tables";

const text = readFileSync(new URL("fixtures/paper-tables.tsv", import.meta.url), "utf8");
const [, ...parts] = text.split(/^# Table \d\n/m);
/** Cells of each table's rows, without the header. */
const printed = parts.map((part) =>
  part
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t")),
);
const settings = { set: [], budgetFactor: 1 };
const tableOf = (id: number) => TABLES.find((table) => table.id === id)!;
const number = (cell: string | undefined, factor = 1) =>
  cell === undefined || !/\d/.test(cell) ? undefined : Math.round(Number(cell) * factor * 10) / 10;

describe("the paper's figures", () => {
  it("Table 1", () => {
    const rows = tableOf(1).rows.map(({ budget, paper: p }) => [budget?.ratio, p.ap, p.mean, p.max, p.min, p.std]);
    expect(rows).toEqual(printed[0]!.map((cells) => cells.slice(1).map(Number)));
  });

  it("Table 2", () => {
    const rows = tableOf(2).rows.map(({ similarity: s, paper: p }) => [s?.min, s?.max, p.ap, p.mean, p.std]);
    expect(rows).toEqual(printed[1]!.map((cells) => cells.slice(1).map((c) => (c === "-" ? undefined : Number(c)))));
  });

  it("Table 3", () => {
    const rows = tableOf(3).rows.map(({ budget, paper: p }) => [budget?.ratio, p.ap, p.mean]);
    expect(rows).toEqual(printed[2]!.map((cells) => cells.slice(1, 4).map(Number)));
  });

  it("Table 4, rows of val, G as M", () => {
    const rows = tableOf(4).rows.map(({ paper: p }) => [p.ap, p.mean, p.max, p.min]);
    const val = printed[3]!.filter((cells) => cells[2] === "val");
    expect(rows).toEqual(val.map(([, , , ap, ...madds]) => [Number(ap), ...madds.map((cell) => number(cell, 1000))]));
  });

  it("labels rows as the paper does", () => {
    const spread = (cells: readonly string[][], column: number) => {
      let last = "";
      return cells.map((row) => {
        last = row[column] || last;
        return last;
      });
    };
    for (const [id, column] of [
      [1, 0],
      [3, 0],
    ] as const) {
      expect(tableOf(id).rows.map(({ labels }) => labels[0])).toEqual(spread(printed[id - 1]!, column));
    }
    const val = printed[3]!.filter((cells) => cells[2] === "val");
    expect(tableOf(4).rows.map(({ labels }) => labels)).toEqual(
      spread(val, 0).map((name, i) => [name, spread(val, 1)[i]]),
    );
  });
});

describe.each(TABLES.map((table) => [table.id, table] as const))("Table %i", (id, { rows, claims, labels }) => {
  it("has a name a row, and claims about its rows", () => {
    const names = rows.map(({ run }) => run);
    expect(new Set(names).size).toBe(rows.length);
    for (const { row, against, expected } of claims) {
      expect(names).toContain(row);
      expect(names).toContain(against);
      expect(expected.length).toBeGreaterThan(0);
    }
    for (const row of rows) expect(row.labels).toHaveLength(labels.length);
  });

  it.each(BASE_NAMES)("gives all rows the same steps and images on %s", (name) => {
    const configs = rows.map((row) => rowConfig(row, baseOf(name, id), 3, settings));
    const shared = configs.map(({ schedule, data, seed, regularizeFromEpoch }) => {
      // mmdetection warms FCOS and RetinaNet up in different ways, and pads alike.
      const { warmup: _, ...rest } = schedule;
      return { schedule: rest, data, seed, regularizeFromEpoch };
    });
    for (const other of shared) expect(other).toEqual(shared[0]);
    expect(new Set(configs.map((config) => JSON.stringify(config))).size).toBe(rows.length);
  });
});

it("has equal configurations for runs of the same name", () => {
  for (const name of BASE_NAMES) {
    const byRun = new Map<string, unknown>();
    for (const { id, rows } of TABLES) {
      for (const row of rows) {
        const config = rowConfig(row, baseOf(name, id), 0, settings);
        expect(config).toEqual(byRun.get(row.run) ?? config);
        byRun.set(row.run, config);
      }
    }
    // 6 + 5 + 3 + 6: Table 2's first row is Table 1's fifth, Table 3's first is Table 2's third.
    expect(byRun.size).toBe(20);
  }
});

it("has no path similarity in Table 1, and the paper's range where Table 2 says so", () => {
  for (const row of tableOf(1).rows) expect(rowConfig(row, baseOf("drawn", 1), 0, settings).similarity.weight).toBe(0);
  const [global, , local] = tableOf(2).rows.map((row) => rowConfig(row, baseOf("drawn", 2), 0, settings).similarity);
  expect(global!.weight).toBe(0);
  expect(local).toEqual({ weight: 1, min: 0.6, max: 0.95 });
});

it("has the paper's images and inputs in the paper's base", () => {
  const configOf = (id: number) => rowConfig(tableOf(id).rows[0]!, baseOf("paper", id), 0, settings);
  expect([configOf(1).data.shorter, configOf(1).data.longer]).toEqual([600, 1000]);
  expect([configOf(4).data.shorter, configOf(4).data.longer]).toEqual([800, 1333]);
  expect(configOf(1).budget.reduce).toBe("sum");
  expect(baseOf("paper", 1).size).toEqual({ height: 640, width: 800 });
  expect(baseOf("paper", 4).size).toEqual({ height: 800, width: 1200 });
});
