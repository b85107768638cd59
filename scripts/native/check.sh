#!/usr/bin/env bash
# The checks of the native backend: installs tfjs-node through `installNative` into a temporary folder, or takes the install that
# CADDET_NATIVE_FOLDER names, and runs on it what the specifications say of it; other backends are `npm test`'s. Where an install
# cannot be had (another system, no compiler, no network), it says so and is no failure. Anything else is one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ "$(uname -sm)" != "Linux x86_64" ]]; then
  echo "skipped: a native install is for Linux on x86-64, this is $(uname -sm)"
  exit 0
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export CADDET_NATIVE_FOLDER="${CADDET_NATIVE_FOLDER:-$work/native}"

started=$SECONDS
status=0
node --conditions=@caddet/source --import tsx scripts/native/install.ts || status=$?
# What install.ts answers where there is nothing to install from; it has said why.
if ((status == 75)); then exit 0; fi
if ((status != 0)); then exit "$status"; fi
echo "the install took $((SECONDS - started)) s"
scripts/native/specs.sh tfjs-node "$work/vitest.json"
