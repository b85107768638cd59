#!/usr/bin/env bash
# Tests and measures CADDet on this machine's GPU, out of a folder that bench/gpu/pack.mjs made: no Node, npm or network needed.
# Usage: ./run.sh [--backend webgpu] [--quick] [part ...]; parts: machine specs train infer detect onnx. JSON lines on stdout, progress
# on stderr; a part that fails is named and passed over, and the exit code is 1 then.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export PATH="$here/bin:${PATH:-/usr/bin:/bin}"

if ! said="$("$here/bin/node" --version 2>&1)"; then
  # One word of it has quotes at times: none may end the JSON.
  printf '{"part":"node","error":"%s"}\n' "$(tr -d '"\\' <<<"$said" | tr '\n\t' '  ')"
  exit 1
fi

# The machine's own Vulkan loader goes first; CUDA's libraries are there only after `pack.mjs --cuda`.
if ! { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -q 'libvulkan\.so\.1'; then
  export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
if [[ -d "$here/cuda" ]]; then
  for folder in "$here"/cuda/*/lib; do LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"; done
  export LD_LIBRARY_PATH
fi

# In containers, the driver's libraries often come without the file that names them to Vulkan, or with one where no loader looks.
if [[ -z "${VK_ICD_FILENAMES:-}${VK_DRIVER_FILES:-}" ]] &&
  ! compgen -G "/usr/share/vulkan/icd.d/nvidia*.json" >/dev/null && ! compgen -G "/etc/vulkan/icd.d/nvidia*.json" >/dev/null; then
  icd=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
  if [[ ! -e "$icd" ]]; then
    icd="$(mktemp -d)/nvidia_icd.json"
    echo '{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}' >"$icd"
    trap 'rm -rf "$(dirname "$icd")"' EXIT
  fi
  export VK_ICD_FILENAMES="$icd" VK_DRIVER_FILES="$icd"
fi

cd "$here/app"
node --conditions=@caddet/source --import tsx bench/gpu/main.ts "$@"
