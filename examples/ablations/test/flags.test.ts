// The command line: what it means, and what is said of what cannot be.
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { parseFlags } from "../src/flags";

const parse = (...args: string[]) => parseFlags(args, resolve("elsewhere"));

it("has defaults", () => {
  const { table, ...rest } = parse("--table", "2", "--data", "set");
  expect(table.id).toBe(2);
  expect(rest).toEqual({
    data: join(resolve("elsewhere"), "set"),
    init: null,
    out: join(resolve("elsewhere"), "runs", "ablations"),
    seeds: [0, 1, 2],
    base: "paper",
    settings: { set: [], budgetFactor: 1 },
    only: undefined,
    scenes: { train: 1600, val: 200 },
    backend: "auto",
    reportOnly: false,
  });
  expect(parse("--table", "1", "--data", "drawn")).toMatchObject({ data: null, base: "drawn" });
});

it.each([
  [["--data", "drawn"], "--table takes 1, 2, 3 or 4, got nothing"],
  [["--table", "5", "--data", "drawn"], "got 5"],
  [["--table", "1"], "--data is missing"],
  [["--table", "1", "--data", "d", "--seeds", "0,x"], "--seeds takes whole numbers"],
  [["--table", "1", "--data", "d", "--seeds", "1,1"], "twice"],
  [["--table", "1", "--data", "d", "--base", "large"], "--base takes paper, small, drawn"],
  [["--table", "1", "--data", "d", "--rows", "fixed-0.3"], "Table 1 has no fixed-0.3. It has fixed-0.1, "],
  [["--table", "1", "--data", "d", "--budget-factor", "0"], "--budget-factor"],
  [["--table", "1", "--data", "d", "--scenes", "5"], "--scenes takes two numbers"],
  [["--table", "1", "--data", "d", "--steps", "5"], "--steps"],
])("refuses %j", (args, message) => {
  expect(() => parse(...args)).toThrow(message);
});
