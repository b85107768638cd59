#!/usr/bin/env node
// The entry of the command line; the program itself is in ../src/cli.ts.
import { main } from "../dist/cli.js";

process.exitCode = await main(process.argv.slice(2));
