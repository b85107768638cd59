// Prints the counts of a vitest JSON report as one line, `N passed, N failed, N skipped`. A test file that could not run counts
// as one failed test; without a report, so does the whole run.
// Usage: node scripts/count-tests.mjs report.json
import { existsSync, readFileSync } from "node:fs";

const file = process.argv[2];
const missing = { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0, testResults: [] };
const report = file !== undefined && existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : missing;

const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.every((test) => test.status !== "failed"),
);
const failed = report.numFailedTests + brokenFiles.length;
console.log(
  `${report.numPassedTests} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`,
);
if (failed > 0) process.exitCode = 1;
