#!/usr/bin/env bash
# Runs what the specifications say of one backend, and of no other; fails where they say nothing. Needs an installed checkout.
# Usage: scripts/native/specs.sh tfjs-node report.json [packages/router ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
backend="$1" report="$2"
shift 2
if (($# == 0)); then set -- packages; fi

# The files that run on every backend that is here, and those of @caddet/runtime about it. Others would only be loaded.
mapfile -t specs < <(
  grep -rlE --include='*.test.ts' '"(#test|\.)/backends"' "$@"
  grep -rliE --include='*.test.ts' "backends|$backend" "$@" | grep '^packages/runtime/' || true
)

# A GPU in software takes up to a minute for what others do in one second.
status=0
node node_modules/vitest/vitest.mjs run --testNamePattern="on $backend([^-]|$)" --silent=passed-only \
  --testTimeout=300000 --hookTimeout=300000 \
  --reporter=default --reporter=json --outputFile.json="$report" "${specs[@]}" || status=$?
# Fails, too, where none ran: a pattern that fits no name would pass.
node scripts/native/count-specs.mjs "$backend" "$report" || status=1
exit "$status"
