// Lays this package out as npm would install it: its build next to TensorFlow.js' packages in an empty folder, and, where a
// test asks for them, stand-ins for optional peers. Programs run there in a `node` of their own.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

export interface InstalledPackage {
  /** Writes a package with one CommonJS file into the folder's node_modules. */
  addPeer(name: string, source: string): void;
  removePeers(): void;
  /** Runs a program there and parses the JSON that it prints. */
  run(format: "mjs" | "cjs", source: string): Promise<unknown>;
  remove(): void;
}

/** Builds the package and installs it into a temporary folder. */
export async function installPackage(): Promise<InstalledPackage> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "caddet-runtime-")));
  const modules = join(folder, "node_modules");
  const own = join(modules, "@caddet", "runtime");
  mkdirSync(own, { recursive: true });
  mkdirSync(join(modules, "@tensorflow"));
  cpSync(join(root, "package.json"), join(own, "package.json"));
  const tsup = join(dirname(require.resolve("tsup")), "cli-default.js");
  await run(process.execPath, [tsup, "--no-dts", "--silent", "--out-dir", join(own, "dist")], { cwd: root });
  for (const name of ["tfjs-core", "tfjs-backend-cpu", "tfjs-backend-wasm", "tfjs-backend-webgpu"]) {
    const target = dirname(require.resolve(`@tensorflow/${name}/package.json`));
    symlinkSync(target, join(modules, "@tensorflow", name), "junction");
  }
  const peers = new Set<string>();
  return {
    addPeer(name, source) {
      peers.add(name);
      mkdirSync(join(modules, name), { recursive: true });
      writeFileSync(join(modules, name, "package.json"), JSON.stringify({ name, version: "0.0.0", main: "main.cjs" }));
      writeFileSync(join(modules, name, "main.cjs"), source);
    },
    removePeers() {
      for (const name of peers) rmSync(join(modules, name), { recursive: true });
      peers.clear();
    },
    async run(format, source) {
      const file = join(folder, `program.${format}`);
      writeFileSync(file, source);
      // What whoever runs the tests has installed is not there.
      const env = { ...process.env, NODE_PATH: "", CADDET_NATIVE_FOLDER: join(folder, "native") };
      const { stdout } = await run(process.execPath, [file], { cwd: folder, env });
      return JSON.parse(stdout);
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
