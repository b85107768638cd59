// The numbers of each class as a table for people.
import type { EvaluationResult } from "./evaluate";
import type { ClassStatistics } from "./statistics";

const COLUMNS: readonly (readonly [string, (row: ClassStatistics) => number])[] = [
  ["AP", (row) => row.ap],
  ["AP50", (row) => row.ap50],
  ["AP75", (row) => row.ap75],
  ["APsmall", (row) => row.apSmall],
  ["APmedium", (row) => row.apMedium],
  ["APlarge", (row) => row.apLarge],
  ["AR", (row) => row.ar],
  ["ARsmall", (row) => row.arSmall],
  ["ARmedium", (row) => row.arMedium],
  ["ARlarge", (row) => row.arLarge],
];

/**
 * The numbers of each class as text.
 *
 * @param result an evaluation
 * @returns a heading and one line a class, three decimals, "-" where a number is undefined
 * @example process.stdout.write(`${formatClassTable(result)}\n`)
 */
export function formatClassTable({ perClass }: Pick<EvaluationResult, "perClass">): string {
  const rows = [
    ["class", ...COLUMNS.map(([title]) => title)],
    ...perClass.map((row) => [
      row.name === "" ? String(row.categoryId) : row.name,
      ...COLUMNS.map(([, numberOf]) => (numberOf(row) < 0 ? "-" : numberOf(row).toFixed(3))),
    ]),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "))
    .join("\n");
}
