// tfjs-node's sources from npm, with or without -gpu, and their addon built from them against an unpacked libtensorflow.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PinnedPackage } from "./pins";
import { firstTool, installError, runTool, ToolError } from "./tools";

const COMPILERS = ["c++", "g++", "clang++"];
const SOURCES = ["binding/tfjs_backend.cc", "binding/tfjs_binding.cc"];

/** The C++ compiler: the one that CXX names, or the first that is there. */
export async function findCompiler(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<string> {
  const { CXX } = env;
  const tried = CXX ? [CXX] : COMPILERS;
  const compiler = await firstTool(tried, { signal });
  if (compiler) return compiler;
  throw installError(
    `The addon needs a C++ compiler; ${tried.join(", ")} cannot be run.`,
    "Install one, for example by `apt-get install g++`, or name it in CXX.",
  );
}

interface Lock {
  readonly packages?: Readonly<Record<string, { readonly integrity?: string }>>;
}

/** Installs packages into a folder, without their scripts, from the registry that is configured where the program runs. */
export async function installPackages(
  packages: readonly PinnedPackage[],
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "caddet-native", private: true }));
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--save-exact"];
  try {
    const { stdout } = await runTool("npm", ["config", "get", "registry"], { signal });
    const names = packages.map(({ name, version }) => `${name}@${version}`);
    await runTool("npm", [...args, `--registry=${stdout.trim()}`, ...names], { cwd: folder, signal });
  } catch (cause) {
    if (!(cause instanceof ToolError)) throw cause;
    throw installError(
      `npm could not install ${packages.map(({ name }) => name).join(" and ")}: ${cause.message}.`,
      cause.missing ? "Install npm." : "Check the network and npm's registry (`npm config get registry`).",
      cause,
    );
  }
  const lock = JSON.parse(await readFile(join(folder, "node_modules", ".package-lock.json"), "utf8")) as Lock;
  for (const { name, version, integrity } of packages) {
    const found = lock.packages?.[`node_modules/${name}`]?.integrity;
    if (found === integrity) continue;
    throw installError(
      `${name} ${version} has the integrity ${found}, expected ${integrity}.`,
      "The package was changed on its way: use a registry that you trust.",
    );
  }
}

/** Compiles and links the addon where tfjs-node looks for it. It finds the libraries by their place next to it. */
export async function buildAddon(compiler: string, folder: string, name: string, signal?: AbortSignal): Promise<void> {
  const own = join(folder, "node_modules", name);
  const headers = join(folder, "node_modules", "node-api-headers", "include");
  await mkdir(join(own, "lib", "napi-v8"), { recursive: true });
  const args = ["-std=gnu++17", "-O2", "-fPIC", "-shared", "-DNAPI_VERSION=8", "-DBUILDING_NODE_EXTENSION"];
  args.push("-DNODE_GYP_MODULE_NAME=tfjs_binding", `-I${headers}`, "-I..", "-Ideps/include", ...SOURCES);
  args.push("-o", "lib/napi-v8/tfjs_binding.node", "-Ldeps/lib");
  args.push("-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2", "-Wl,-rpath,$ORIGIN/../../deps/lib");
  try {
    await runTool(compiler, args, { cwd: own, signal });
  } catch (cause) {
    if (!(cause instanceof ToolError)) throw cause;
    throw installError(
      `The addon did not compile: ${cause.message}.`,
      "It needs a compiler that knows C++17, such as GCC 9 or Clang 10, or newer ones.",
      cause,
    );
  }
}
