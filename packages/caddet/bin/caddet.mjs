#!/usr/bin/env node
// The entry of the command line; the program itself is in ../src/cli.ts.
import { existsSync } from "node:fs";

const program = new URL("../dist/cli.js", import.meta.url);
if (existsSync(program)) {
  const { main } = await import(program.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  process.stderr.write(
    "error: caddet is not built yet. Run `npm run build` in the repository's root, then try again.\n",
  );
  process.exitCode = 1;
}
