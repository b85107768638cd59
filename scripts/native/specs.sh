#!/usr/bin/env bash
# Runs what the specifications say of one backend, and of no other; fails where they say nothing. Needs an installed checkout.
# Usage: scripts/native/specs.sh tfjs-node report.json [packages/router ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
backend="$1" report="$2"
shift 2

# Files that have something to say of it, in the packages that test on every backend that is here. Others would only be loaded.
if (($# > 0)); then packages=("$@"); else
  mapfile -t packages < <(grep -rl --include='*.ts' 'inject("backends")' packages/*/test | cut -d/ -f1,2 | sort -u)
  packages+=(packages/runtime)
fi
mapfile -t specs < <(grep -rliE --include='*.test.ts' "backends|$backend" "${packages[@]}" | sort)

node node_modules/vitest/vitest.mjs run --testNamePattern="on $backend" --silent=passed-only \
  --reporter=default --reporter=json --outputFile.json="$report" "${specs[@]}"
# A pattern that fits no name would pass, too.
node -e 'const { numPassedTests: ran } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
console.log(`${ran} tests ran`);
process.exitCode = ran > 0 ? 0 : 1;' "$report"
