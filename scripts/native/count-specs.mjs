// Prints how many specifications passed on a backend, and which were skipped for what reason. Fails where none ran: a pattern that fits no
// name would pass otherwise.
// Usage: node scripts/native/count-specs.mjs tfjs-node report.json
import { readFileSync } from "node:fs";

const [backend, file] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, "utf8"));
const skipped = report.testResults.flatMap(({ assertionResults }) => assertionResults.filter(({ meta }) => meta?.gap));
for (const { fullName, meta } of skipped) console.log(`skipped: ${fullName}: ${meta.gap}`);
console.log(
  `on ${backend}: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped.length} skipped`,
);
if (report.numPassedTests === 0) process.exitCode = 1;
