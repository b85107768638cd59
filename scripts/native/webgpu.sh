#!/usr/bin/env bash
# Runs what the specifications say of webgpu, on a GPU or on a software adapter: `npm run test:webgpu`, four minutes on two cores.
# Needs npm's `webgpu`, which this checkout does not bring: `npm install --no-save webgpu`, or NODE_PATH. Where there is no driver of a GPU,
# VK_ICD_FILENAMES names the software adapter: chromium's SwiftShader, if it is not set.
# Usage: scripts/native/webgpu.sh [packages/router ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
if [[ -z "${VK_ICD_FILENAMES:-}" && -e "$swiftshader" ]] && ! compgen -G '/dev/dri/renderD*' >/dev/null; then
  export VK_ICD_FILENAMES="$swiftshader"
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
scripts/native/specs.sh webgpu "$work/vitest.json" "$@"
