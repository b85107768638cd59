#!/usr/bin/env node
// Checks what no linter knows of this repository: which packages import which, that browser entries stay free of Node, and
// the house rules of the sources. Prints each violation as `file:line: what is wrong; what to do` and exits with 1.
// Usage: node scripts/check-imports.mjs [root], where root is a git checkout (default: this repository).
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { checkRepository } from "./checks/repository.mjs";
import { readWorkspace } from "./checks/workspace.mjs";

const root = resolve(process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url)));
const workspace = readWorkspace(root);
const violations = checkRepository(workspace);

for (const violation of violations) console.error(violation);
if (violations.length > 0) {
  console.error(`\n${violations.length} violation${violations.length === 1 ? "" : "s"} of the repository's rules.`);
  process.exitCode = 1;
} else {
  console.log(`check-imports: ${workspace.packages.length} packages, ${workspace.files.length} files, no violation.`);
}
