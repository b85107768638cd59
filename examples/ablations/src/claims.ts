// Whether a table's claims hold for the runs that were made: differences of two rows, seed by seed, and what their confidence interval says.
import type { RowResult } from "./measures";
import { type Estimate, estimate } from "./statistics";
import type { Claim, Measure, Row, Table } from "./tables";

/** What the runs say of a claim. */
export type Verdict = "holds" | "does not hold" | "is not decided";

/** One measure of a claim. */
export interface Check {
  readonly measure: Measure;
  readonly is: Claim["expected"][number]["is"];
  /** Row less the one it is set against, over the seeds of both; null without a common seed. */
  readonly difference: Estimate | null;
  readonly verdict: Verdict;
}

/** A claim with its verdict. */
export interface CheckedClaim {
  readonly row: Row;
  readonly against: Row;
  /** Those that both rows have. */
  readonly seeds: readonly number[];
  readonly checks: readonly Check[];
  readonly verdict: Verdict;
}

// One does not hold: all do not. All hold: they hold.
function together(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("does not hold")) return "does not hold";
  return verdicts.every((verdict) => verdict === "holds") ? "holds" : "is not decided";
}

/**
 * What a difference says.
 *
 * @param difference over seeds
 * @param is "more" or "less" hold where the whole interval lies on that side, "no less" where the mean is not below 0; each fails where the
 *   whole interval lies on the other side
 * @returns not decided in between, and for fewer than two seeds
 */
export function judge(difference: Estimate | null, is: Check["is"]): Verdict {
  if (!difference || difference.half === null) return "is not decided";
  const sign = is === "less" ? -1 : 1;
  const mean = sign * difference.mean;
  const [low, high] = [mean - difference.half, mean + difference.half];
  if (is === "no less") {
    if (mean >= 0) return "holds";
    return high < 0 ? "does not hold" : "is not decided";
  }
  if (low > 0) return "holds";
  return high <= 0 ? "does not hold" : "is not decided";
}

/** Checks the claims of a table against its rows. */
export function checkClaims({ claims }: Table, results: readonly RowResult[]): CheckedClaim[] {
  const find = (run: string) => results.find(({ row }) => row.run === run)!;
  return claims.map((claim) => {
    const [own, other] = [find(claim.row), find(claim.against)];
    const seeds = [...own.bySeed.keys()].filter((seed) => other.bySeed.has(seed));
    const checks = claim.expected.map(({ measure, is }): Check => {
      const gaps = seeds.map((seed) => own.bySeed.get(seed)![measure] - other.bySeed.get(seed)![measure]);
      const difference = gaps.length > 0 ? estimate(gaps) : null;
      return { measure, is, difference, verdict: judge(difference, is) };
    });
    return {
      row: own.row,
      against: other.row,
      seeds,
      checks,
      verdict: together(checks.map(({ verdict }) => verdict)),
    };
  });
}

/** Whether a table's statement holds: all of its claims together. */
export function verdictOf(claims: readonly CheckedClaim[]): Verdict {
  return together(claims.map(({ verdict }) => verdict));
}

const NAMES: Readonly<Record<Measure, string>> = { ap: "AP", mean: "mean MAdds", std: "std of MAdds" };

const signed = (value: number, digits: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

function checkText({ measure, is, difference, verdict }: Check): string {
  const expected = `${NAMES[measure]} ${is}`;
  if (!difference) return `${expected}: ${verdict}, no seed has both`;
  const digits = 2;
  const unit = measure === "ap" ? "points" : "M";
  const { mean, half } = difference;
  const interval =
    half === null ? "one seed" : `95 % interval ${signed(mean - half, digits)} to ${signed(mean + half, digits)}`;
  return `${expected}: ${verdict} (${signed(mean, digits)} ${unit}, ${interval})`;
}

/** A claim as a sentence. */
export function claimText({ row, against, seeds, checks }: CheckedClaim): string {
  const name = ({ labels }: Row) => labels.join(" ");
  const over = seeds.length > 0 ? `, seeds ${seeds.join(", ")}` : "";
  return `${name(row)} against ${name(against)}${over}: ${checks.map(checkText).join("; ")}.`;
}
