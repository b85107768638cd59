// libtensorflow out of a wheel: fetched by pip, so that its index, proxies and certificates are those of the user, checked by its hash,
// and unpacked without Python.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { INCLUDE, LIBRARIES, type PinnedWheel } from "./pins";
import { firstTool, installError, runTool, ToolError } from "./tools";
import { extractEntry, type ZipEntry, zipEntries } from "./zip";

const PLATFORMS = ["manylinux_2_17_x86_64", "manylinux2014_x86_64"];

/** Fetches a wheel into a folder; returns its path. */
export async function downloadWheel(wheel: PinnedWheel, folder: string, signal?: AbortSignal): Promise<string> {
  const python = await firstTool(["python3", "python"], { signal });
  if (!python) {
    throw installError(
      "Fetching libtensorflow needs Python 3 with pip, and there is no python3.",
      `Install it, for example by \`apt-get install python3-pip\`, or pass the file ${wheel.file}.`,
    );
  }
  const args = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
  args.push("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311");
  for (const platform of PLATFORMS) args.push("--platform", platform);
  args.push("--dest", folder, `${wheel.name}==${wheel.version}`);
  try {
    await runTool(python, args, { signal });
  } catch (cause) {
    if (!(cause instanceof ToolError)) throw cause;
    const noPip = /No module named pip/.test(cause.message);
    throw installError(
      `pip could not fetch ${wheel.name} ${wheel.version}: ${cause.message}.`,
      noPip
        ? "Install pip, for example by `apt-get install python3-pip`."
        : `Check the network and pip's index (\`pip config list\`), or pass the file ${wheel.file}.`,
      cause,
    );
  }
  return join(folder, wheel.file);
}

/** Refuses a wheel whose bytes are not the pinned ones. */
export async function checkWheel(path: string, wheel: PinnedWheel, signal?: AbortSignal): Promise<void> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash, signal ? { signal } : {});
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    const { message } = cause as Error;
    throw installError(`The wheel cannot be read: ${message}.`, `Expected the file ${wheel.file}.`, cause);
  }
  const found = hash.digest("hex");
  if (found === wheel.sha256) return;
  throw installError(
    `${basename(path)} has the SHA-256 ${found}, expected ${wheel.sha256}.`,
    "The file was cut or changed on its way: fetch it again, from an index that you trust.",
  );
}

/** Where the files of a wheel go that the addon needs. */
function targetOf({ name }: ZipEntry, deps: string): string | undefined {
  if ((LIBRARIES as readonly string[]).includes(name)) return join(deps, "lib", basename(name));
  const header = INCLUDE.exec(name)?.[1];
  return header && !header.split("/").includes("..") ? join(deps, "include", header) : undefined;
}

/** Unpacks headers and libraries into `deps/include` and `deps/lib`. */
export async function unpackWheel(path: string, deps: string, signal?: AbortSignal): Promise<void> {
  const entries = await zipEntries(path);
  for (const name of LIBRARIES) {
    if (!entries.some((entry) => entry.name === name)) {
      throw installError(`${basename(path)} has no ${name}.`, "It is no wheel of libtensorflow for Linux.");
    }
  }
  for (const entry of entries) {
    signal?.throwIfAborted();
    const target = targetOf(entry, deps);
    if (target) await extractEntry(path, entry, target, signal);
  }
}
