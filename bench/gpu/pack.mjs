// @ts-check
// Packs all that a machine with a GPU, but without Node and network, needs to test and measure this repository: Node's binary, the
// sources and their builds, npm's packages, Dawn (npm `webgpu`) and the Vulkan loader. Usage: node bench/gpu/pack.mjs
// [--out FOLDER] [--cuda], where --cuda adds onnxruntime's CUDA provider and CUDA's libraries from PyPI (2.3 GB unpacked). Writes
// FOLDER/caddet-gpu and FOLDER/caddet-gpu.tar.gz (default: the system's temporary folder), for machines like this one.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { closureOf } from "./closure.mjs";
import { fetchCuda } from "./cuda.mjs";

const root = realpathSync(fileURLToPath(new URL("../..", import.meta.url)));
const { values } = parseArgs({
  options: { out: { type: "string", default: tmpdir() }, cuda: { type: "boolean", default: false } },
});
const pack = resolve(values.out, "caddet-gpu");
const app = join(pack, "app");
const WEBGPU = "webgpu@0.6.2";
const PACKAGES = readdirSync(join(root, "packages"));
// What only builds and tests in browsers need, 110 MB.
const UNUSED = ["assemblyscript", "playwright-core"];
const PLATFORM = { platform: process.platform, arch: process.arch };

/** @param {string} line */
const say = (line) => process.stderr.write(`${line}\n`);

/** @param {string} program @param {readonly string[]} args */
const output = (program, args) => execFileSync(program, args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 });

// Of npm's packages: no source maps and types, and no binaries for other machines (which onnxruntime-node and webgpu bring).
/** @param {string} path */
function isWanted(path) {
  if (/\.(map|d\.[cm]?ts)$/.test(path)) return false;
  const [, system, arch] =
    /node_modules\/onnxruntime-node\/bin\/napi-v\d+\/(\w+)(?:\/(\w+))?/.exec(path.split(sep).join("/")) ?? [];
  if (system) return system === PLATFORM.platform && (arch === undefined || arch === PLATFORM.arch);
  const [, dawn] = /node_modules\/webgpu\/dist\/(\w+-\w+)/.exec(path.split(sep).join("/")) ?? [];
  return !dawn || dawn === `${PLATFORM.platform}-${PLATFORM.arch}` || dawn === `${PLATFORM.platform}-universal`;
}

function packNode() {
  mkdirSync(join(pack, "bin"), { recursive: true });
  cpSync(process.execPath, join(pack, "bin", "node"), { dereference: true });
}

function packSources() {
  const parts = ["packages", "bench", "scripts", "examples/detect-gpu", "vitest.config.ts", "package.json"];
  parts.push("tsconfig.base.json", "tsconfig.json");
  const listed = output("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", ...parts]);
  const files = listed.split("\0").filter((file) => file && existsSync(join(root, file)));
  // What is not in git: the kernels, and the builds, which vitest's global set-up and the loader's threads run.
  const built = ["packages/runtime/src/generated", ...PACKAGES.map((name) => `packages/${name}/dist`)];
  const missing = built.find((folder) => !existsSync(join(root, folder)));
  if (missing) throw new Error(`${missing} is missing: run \`npm run build\` first.`);
  for (const file of files) cpSync(join(root, file), join(app, file));
  for (const folder of built) cpSync(join(root, folder), join(app, folder), { recursive: true });
}

function packPackages() {
  const tools = ["vitest", "tsx", "esbuild", "fast-check", "onnxruntime-node", "sharp"];
  const own = PACKAGES.map((name) => (name === "caddet" ? name : `@caddet/${name}`));
  const { folders, workspaces } = closureOf(root, [...tools, ...own, "@caddet-examples/detect-gpu"], UNUSED);
  // A package's own node_modules are not copied with it: what is needed of them is in the list.
  for (const folder of folders) {
    const nested = join(root, folder, "node_modules");
    cpSync(join(root, folder), join(app, folder), {
      recursive: true,
      filter: (path) => path !== nested && isWanted(path),
    });
  }
  for (const [link, folder] of workspaces) {
    mkdirSync(dirname(join(app, link)), { recursive: true });
    symlinkSync(relative(dirname(join(app, link)), join(app, folder)), join(app, link));
  }
  return folders.length;
}

function packWebgpu() {
  const work = mkdtempSync(join(tmpdir(), "caddet-webgpu-"));
  try {
    const args = [
      "install",
      "--prefix",
      work,
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
      WEBGPU,
    ];
    execFileSync("npm", args, { cwd: work, stdio: ["ignore", "ignore", "inherit"] });
    const from = join(work, "node_modules");
    for (const name of readdirSync(from).filter((entry) => !entry.startsWith("."))) {
      const to = join(app, "node_modules", name);
      // What the checkout has already (`debug`, say) serves both.
      if (!existsSync(to)) cpSync(join(from, name), to, { recursive: true, filter: isWanted });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

// A GPU's driver brings Vulkan itself, but not the loader that Dawn opens.
function packVulkanLoader() {
  const line = output("ldconfig", ["-p"])
    .split("\n")
    .find((text) => text.includes("libvulkan.so.1 ") && text.includes("x86-64") === (PLATFORM.arch === "x64"));
  const path = line?.split("=> ")[1]?.trim();
  if (!path) return say("no libvulkan.so.1 here: the other machine has to have one (apt-get install libvulkan1)");
  mkdirSync(join(pack, "lib"), { recursive: true });
  cpSync(path, join(pack, "lib", "libvulkan.so.1"), { dereference: true });
}

if (PLATFORM.platform !== "linux") throw new Error(`Packs are for Linux, this is ${PLATFORM.platform}.`);
rmSync(pack, { recursive: true, force: true });
mkdirSync(app, { recursive: true });
packNode();
packSources();
say(`${packPackages()} packages of npm`);
packWebgpu();
packVulkanLoader();
if (values.cuda) say(fetchCuda(root, pack) ?? "onnxruntime's CUDA provider and CUDA's libraries are in");
cpSync(join(root, "bench", "gpu", "run.sh"), join(pack, "run.sh"));
const archive = `${pack}.tar.gz`;
execFileSync("tar", ["-czf", archive, "-C", dirname(pack), basename(pack)]);
say(`${pack}\n${archive}`);
