// Settings that count for all rows, and those that would not.
import { describe, expect, it } from "vitest";
import { checkSettings, rowConfig } from "../src/row-config";
import { TABLES } from "../src/tables";
import { tinyBase } from "./tiny-base";

const [table1, table2] = TABLES as [(typeof TABLES)[number], (typeof TABLES)[number]];

describe("checkSettings", () => {
  it("lets through what all rows share", () => {
    expect(() =>
      checkSettings(table1, ["schedule.maxSteps=5", "budget.weight=5", "model.backbone.layers=2"]),
    ).not.toThrow();
  });

  it.each([
    "budget.ratio=0.3",
    "budget={}",
    "similarity.min=0.1",
    "seed=3",
    "model.backbone.type=supernet",
    "model={}",
  ])("refuses %s", (assignment) => {
    expect(() => checkSettings(table1, [assignment])).toThrow(/--set .*: the rows of Table 1 decide about /);
  });

  it("names the flag that is meant", () => {
    expect(() => checkSettings(table2, ["budget.ratio=0.3"])).toThrow("--budget-factor");
    expect(() => checkSettings(table2, ["seed=1"])).toThrow("--seeds");
  });
});

describe("rowConfig", () => {
  const fixed = table1.rows[1]!;

  it("applies row, seed and settings", () => {
    const config = rowConfig(fixed, tinyBase, 4, { set: ["optimizer.lr=0.5"], budgetFactor: 2 });
    expect(config.seed).toBe(4);
    expect(config.optimizer.lr).toBe(0.5);
    expect(config.budget).toMatchObject({ mapping: "fixed", ratio: 0.4 });
  });

  it("refuses a budget above the whole network and a key that is not there", () => {
    expect(() => rowConfig(fixed, tinyBase, 0, { set: [], budgetFactor: 10 })).toThrow("budget.ratio");
    expect(() => rowConfig(fixed, tinyBase, 0, { set: ["optimizer.rate=1"], budgetFactor: 1 })).toThrow("rate");
  });
});
