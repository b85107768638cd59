// @ts-check
// onnxruntime's CUDA provider, out of PyPI's wheel of the version that npm's onnxruntime-node is, and the CUDA and cuDNN libraries that it
// opens. Only for `pack.mjs --cuda`; the registry is that of pip's configuration.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// What the wheel's extras "cuda" and "cudnn" name, cuBLAS, and what cuFFT opens.
const CUDA = ["nvidia-cublas~=13.0", "nvidia-cuda-runtime~=13.0", "nvidia-cuda-nvrtc~=13.0", "nvidia-cufft~=12.0"];
CUDA.push("nvidia-curand~=10.0", "nvidia-nvjitlink~=13.0", "nvidia-cudnn-cu13~=9.0");
const GLIBC = ["2_28", "2_27", "2_17"];
const FOLDER = ["node_modules", "onnxruntime-node", "bin", "napi-v6", "linux", "x64"];

/** @param {readonly string[]} packages @param {string} target */
function pipInstall(packages, target) {
  const args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
  args.push("--python-version", "3.12", "--implementation", "cp", "--abi", "cp312", "--abi", "none", "--no-compile");
  for (const version of GLIBC) args.push("--platform", `manylinux_${version}_x86_64`);
  args.push("--platform", "manylinux2014_x86_64", "--target", target, ...packages);
  execFileSync("python3", args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
}

/**
 * Adds provider and libraries to a pack.
 *
 * @param {string} root of the checkout
 * @param {string} pack
 * @returns why it could not; undefined where it did
 */
export function fetchCuda(root, pack) {
  const manifest = join(root, "node_modules", "onnxruntime-node", "package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  const work = mkdtempSync(join(tmpdir(), "caddet-cuda-"));
  try {
    pipInstall([`onnxruntime-gpu==${version}`], join(work, "onnxruntime"));
    pipInstall(CUDA, join(work, "cuda"));
    const capi = join(work, "onnxruntime", "onnxruntime", "capi");
    for (const name of readdirSync(capi).filter((file) => /_providers_(cuda|shared)\.so$/.test(file))) {
      cpSync(join(capi, name), join(pack, "app", ...FOLDER, name));
    }
    // Each has its libraries in a `lib` of its own, which run.sh looks for.
    cpSync(join(work, "cuda", "nvidia"), join(pack, "cuda"), { recursive: true });
    return undefined;
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    return `no CUDA provider: ${stderr?.trim().split("\n").at(-1) || message}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
