// What differences of runs say of the paper's claims, also where they say no, or nothing.
import { describe, expect, it } from "vitest";
import { checkClaims, claimText, judge, verdictOf } from "../src/claims";
import type { Measures, RowResult } from "../src/measures";
import { TABLES } from "../src/tables";

const table = TABLES[0]!;

describe("judge", () => {
  const gap = (mean: number, half: number | null) => ({ mean, half, n: 3 });
  it.each([
    ["more", 2, 1, "holds"],
    ["more", 2, 3, "is not decided"],
    ["more", -2, 1, "does not hold"],
    ["more", 0, 0, "does not hold"],
    ["less", -2, 1, "holds"],
    ["less", -1, 2, "is not decided"],
    ["less", 2, 1, "does not hold"],
    ["no less", 0, 5, "holds"],
    ["no less", -1, 2, "is not decided"],
    ["no less", -2, 1, "does not hold"],
  ] as const)("%s, %d ± %d: %s", (is, mean, half, verdict) => {
    expect(judge(gap(mean, half), is)).toBe(verdict);
  });

  it.each(["more", "less", "no less"] as const)("decides nothing of one seed or none: %s", (is) => {
    expect(judge(gap(5, null), is)).toBe("is not decided");
    expect(judge(null, is)).toBe("is not decided");
  });
});

/** Results with AP and std as given for each run, by seed; rows without numbers have none. */
function results(numbers: Readonly<Record<string, readonly [ap: number, std: number][]>>): RowResult[] {
  return table.rows.map((row) => {
    const bySeed = new Map<number, Measures>(
      (numbers[row.run] ?? []).map(([ap, std], seed) => [seed, { ap, std, mean: 10, max: 12, min: 8 }]),
    );
    return { row, bySeed, over: null };
  });
}

const spreading = {
  "scale-0.05": [
    [30, 3],
    [31, 3.1],
  ],
  "scale-0.1": [
    [30, 3],
    [31, 3.2],
  ],
} as const;
const steady = {
  "fixed-0.1": [
    [29, 1],
    [30, 1.1],
  ],
  "fixed-0.2": [
    [29, 1],
    [30, 1],
  ],
} as const;

it("holds where every comparison does", () => {
  const claims = checkClaims(table, results({ ...spreading, ...steady } as never));
  expect(verdictOf(claims)).toBe("holds");
  expect(claims.map(({ row, against }) => [row.run, against.run])).toEqual([
    ["scale-0.05", "fixed-0.1"],
    ["scale-0.1", "fixed-0.2"],
  ]);
  expect(claimText(claims[0]!)).toMatch(
    /^Proposed 0\.05 against Fixed 0\.1, seeds 0, 1: std of MAdds more: holds \(\+2\.00 M, 95 % interval \+2\.00 to \+2\.00\); AP no less: holds/,
  );
});

it("does not hold where the spread is the other way around", () => {
  const turned = {
    "scale-0.05": steady["fixed-0.1"],
    "fixed-0.1": spreading["scale-0.05"],
    "scale-0.1": spreading["scale-0.1"],
    "fixed-0.2": steady["fixed-0.2"],
  };
  const claims = checkClaims(table, results(turned as never));
  expect(claims.map(({ verdict }) => verdict)).toEqual(["does not hold", "holds"]);
  expect(verdictOf(claims)).toBe("does not hold");
  expect(claims[0]!.checks.map(({ verdict }) => verdict)).toEqual(["does not hold", "does not hold"]);
});

it("does not hold where AP is lower for sure", () => {
  const worse = {
    ...steady,
    ...spreading,
    "scale-0.05": [
      [20, 3],
      [21, 3.1],
    ],
  };
  const [claim] = checkClaims(table, results(worse as never));
  expect(claim!.checks.map(({ measure, verdict }) => [measure, verdict])).toEqual([
    ["std", "holds"],
    ["ap", "does not hold"],
  ]);
});

it("is not decided without common seeds, and says so", () => {
  const claims = checkClaims(table, results({ "scale-0.05": spreading["scale-0.05"] } as never));
  expect(verdictOf(claims)).toBe("is not decided");
  expect(claimText(claims[0]!)).toContain("no seed has both");
});
