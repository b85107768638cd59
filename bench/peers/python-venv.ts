// A throw-away Python environment for the peers of a benchmark. It lives in the temp folder for as long as the benchmark runs;
// versions are whatever the package index gives unless the caller pins them.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A Python environment with the packages that were asked for. */
export interface PythonVenv {
  /** Path of its interpreter. */
  readonly python: string;
  /** Versions by package name, for the benchmark's rows. */
  readonly versions: Readonly<Record<string, string>>;
  /** Packages that could not be installed, with the last line of what pip said. */
  readonly missing: Readonly<Record<string, string>>;
  /** Removes the environment. */
  remove(): Promise<void>;
}

function lastLine(cause: unknown): string {
  const text = cause instanceof Error && "stderr" in cause ? String(cause.stderr) : String(cause);
  return text.trim().split("\n").at(-1) ?? "";
}

/**
 * Makes an environment in the temp folder and installs packages into it, one by one, so that one that fails spoils no other.
 *
 * @param packages requirements as pip takes them, e.g. `["pycocotools==2.0.11"]`
 * @returns its interpreter, what was installed and what was not
 * @throws when there is no `python3` with venv
 * @example const { python, remove } = await createVenv(["pycocotools"])
 */
export async function createVenv(packages: readonly string[]): Promise<PythonVenv> {
  const folder = await mkdtemp(join(tmpdir(), "caddet-bench-venv-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  const python = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const versions: Record<string, string> = {};
  const missing: Record<string, string> = {};
  try {
    await run("python3", ["-m", "venv", folder]);
    for (const requirement of packages) {
      const name = requirement.split(/[=<>~!;[ ]/)[0]!;
      try {
        await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]);
        const code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))";
        versions[name] = (await run(python, ["-c", code, name])).stdout.trim();
      } catch (cause) {
        missing[name] = lastLine(cause);
      }
    }
  } catch (cause) {
    await remove();
    throw cause;
  }
  return { python, versions, missing, remove };
}
