#!/usr/bin/env bash
# The checks of the native backend: installs tfjs-node through `installNative` into a temporary folder (or uses the one that
# CADDET_NATIVE_FOLDER names) and runs the specs of kernels and backends on it. Skips, and says so, where an install is not possible.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ "$(uname -sm)" != "Linux x86_64" ]]; then
  echo "skipped: a native install is for Linux on x86-64"
  exit 0
fi
if [[ -z "${CADDET_NATIVE_FOLDER:-}" ]]; then
  for tool in python3 "${CXX:-c++}"; do
    if ! command -v "$tool" >/dev/null; then
      echo "skipped: a native install needs $tool"
      exit 0
    fi
  done
  folder="$(mktemp -d)"
  trap 'rm -rf "$folder"' EXIT
  export CADDET_NATIVE_FOLDER="$folder/native"
fi
node --conditions=@caddet/source --import tsx scripts/native/install.ts
# With no test left out: that tfjs-node is there, the line above has made sure.
npx vitest run packages/runtime
