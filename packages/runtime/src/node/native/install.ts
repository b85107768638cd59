// Installs tfjs-node or tfjs-node-gpu where its own download of libtensorflow fails: sources from npm, libtensorflow out of PyPI's
// wheel, built here. Everything happens in a folder next to the target, which takes its place when the result has been tried out.
import { chmod, mkdir, mkdtemp, readdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { RuntimeError } from "../../errors";
import { probeBackend } from "../probe";
import { buildAddon, findCompiler, installPackages } from "./addon";
import { markOf, type NativeMark, nativeFolder, readMark } from "./folder";
import { NATIVE_GPU_PINS, NATIVE_PINS, type NativePins } from "./pins";
import { installError } from "./tools";
import { checkWheel, downloadWheel, unpackWheel } from "./wheel";

/** Options of {@link installNative}. */
export interface InstallNativeOptions {
  /** tfjs-node-gpu with CUDA's kernels; CUDA and cuDNN themselves are not fetched. Default false: tfjs-node. */
  readonly gpu?: boolean;
  /**
   * Where it goes: a folder that is not there yet, is empty, or holds an earlier install. Default: the one that `prepareBackend` looks
   * into; another one must be named in the variable CADDET_NATIVE_FOLDER, or in NODE_PATH with `/node_modules` behind it.
   */
  readonly folder?: string;
  /** A wheel of libtensorflow that is here already. Default: pip fetches it (200 MB, for a GPU 475 MB). */
  readonly wheel?: string;
  /** Told what is done next, a short sentence. */
  readonly onProgress?: (step: string) => void;
  /** Stops it; nothing stays. */
  readonly signal?: AbortSignal;
}

/** A finished install. */
export interface NativeInstall extends NativeMark {
  readonly folder: string;
  /** Whether it was there already, so that nothing was done. */
  readonly present: boolean;
}

/** What tests replace. */
export interface InstallSurroundings {
  readonly pins: NativePins;
  readonly env: NodeJS.ProcessEnv;
  readonly platform: string;
  /** Tells why the result does not work; undefined where it does. */
  readonly tryOut: (folder: string, pins: NativePins) => Promise<string | undefined>;
  readonly freeBytes: (folder: string) => Promise<number>;
}

async function tryOut(folder: string, { backend, packages }: NativePins): Promise<string | undefined> {
  const result = await probeBackend(backend, join(folder, "node_modules", packages[0]!.name, "dist", "index.js"));
  return result.status === "runs" ? undefined : result.status === "broken" ? result.detail : "it is not there";
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** The real world. */
export const SURROUNDINGS: InstallSurroundings = {
  pins: NATIVE_PINS,
  env: process.env,
  platform: `${process.platform}-${process.arch}`,
  tryOut,
  freeBytes,
};

async function checkTarget(folder: string): Promise<void> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw installError(`${folder} cannot be used: ${error.message}.`, "Choose another folder.", error);
  });
  if (files.length === 0 || readMark(folder)) return;
  throw installError(`${folder} holds other files.`, "Choose an empty folder, or one that is not there yet.");
}

/** Turns a file system's refusal into an error that says what to do; others pass. */
function explained(error: unknown, folder: string, neededBytes: number): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC") {
    return installError(`The disk of ${folder} is full.`, `Make room for ${neededBytes / 1e9} GB.`, error);
  }
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") {
    return installError(`${folder} cannot be written: ${message}.`, "Choose a folder of your own.", error);
  }
  return error;
}

/** Adds the backend to an error of ours; others pass. */
function withBackend(error: unknown, { backend }: NativePins): unknown {
  if (!(error instanceof RuntimeError)) return error;
  const { code, message, hint, cause } = error;
  return new RuntimeError(code, message, { backend, ...(hint ? { hint } : {}), cause });
}

async function build(
  work: string,
  { wheel, onProgress = () => {}, signal }: InstallNativeOptions,
  { pins, env, tryOut: works }: InstallSurroundings,
): Promise<NativeMark> {
  const compiler = await findCompiler(env, signal);
  const { name, version } = pins.packages[0]!;
  onProgress(`fetching ${pins.backend} ${version} from npm`);
  await installPackages(pins.packages, work, signal);
  if (!wheel) onProgress(`fetching ${pins.wheel.name} ${pins.wheel.version} by pip, about ${pins.wheel.megabytes} MB`);
  const file = wheel ?? (await downloadWheel(pins.wheel, join(work, "wheel"), signal));
  onProgress("checking and unpacking libtensorflow");
  await checkWheel(file, pins.wheel, signal);
  const deps = join(work, "node_modules", name, "deps");
  await unpackWheel(file, deps, signal);
  await rm(join(work, "wheel"), { recursive: true, force: true });
  onProgress(`building the addon with ${compiler}`);
  await buildAddon(compiler, work, name, signal);
  await rm(join(deps, "include"), { recursive: true, force: true });
  onProgress("trying it out");
  const failure = await works(work, pins);
  if (failure) throw installError(`The addon was built, but does not work: ${failure}.`, "Please report this.");
  const mark: NativeMark = { version, libtensorflow: pins.wheel.version };
  await writeFile(markOf(work), `${JSON.stringify(mark)}\n`);
  return mark;
}

/** Puts the new folder in the place of an earlier one. */
async function replace(work: string, folder: string): Promise<void> {
  const old = `${work}-old`;
  await rename(folder, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(work, folder);
  await rm(old, { recursive: true, force: true });
}

async function install(
  folder: string,
  options: InstallNativeOptions,
  surroundings: InstallSurroundings,
): Promise<NativeInstall> {
  const { pins, platform, tryOut: works } = surroundings;
  const [source] = pins.packages;
  if (platform !== "linux-x64") {
    throw installError(
      `A native install is for linux-x64; this is ${platform}.`,
      `Run \`npm install ${source!.name}\`, which has a library for most systems.`,
    );
  }
  const mark = readMark(folder);
  if (mark?.version === source!.version && mark.libtensorflow === pins.wheel.version) {
    // Of which backend it is, that tells, too.
    if (!(await works(folder, pins))) return { ...mark, folder, present: true };
  }
  await checkTarget(folder);
  let work: string | undefined;
  try {
    await mkdir(dirname(folder), { recursive: true });
    const [free, needed] = [await surroundings.freeBytes(dirname(folder)), pins.neededBytes];
    if (free < needed) {
      const gigabytes = (free / 1e9).toFixed(1);
      throw installError(`The disk of ${folder} has ${gigabytes} GB free.`, `Make room for ${needed / 1e9} GB.`);
    }
    work = await mkdtemp(`${folder}-`);
    // A temporary folder is closed to others; this one is to stay.
    await chmod(work, 0o755);
    const made = await build(work, options, surroundings);
    await replace(work, folder);
    return { ...made, folder, present: false };
  } finally {
    if (work) await rm(work, { recursive: true, force: true });
  }
}

/** {@link installNative} among given surroundings, whose pins say which backend it is. */
export async function installNativeAmong(
  surroundings: InstallSurroundings,
  options: InstallNativeOptions = {},
): Promise<NativeInstall> {
  const { pins, env } = surroundings;
  const folder = resolve(options.folder ?? nativeFolder(pins.backend, env));
  try {
    return await install(folder, options, surroundings);
  } catch (error) {
    throw withBackend(explained(error, folder, pins.neededBytes), pins);
  }
}

/**
 * Installs tfjs-node or tfjs-node-gpu for this user: its sources from npm's registry and libtensorflow out of PyPI's wheel
 * `tensorflow-cpu` or `tensorflow`, both of one pinned content, built by the C++ compiler that is here. `prepareBackend` finds it
 * afterwards, from every project. For machines where `npm install @tensorflow/tfjs-node` fails, as its own download does behind many a
 * firewall. Linux on x86-64; needs npm, a C++ compiler, Python 3 with pip (or the wheel), and 1.4 GB of disk while it runs, 0.9 GB
 * afterwards (for a GPU 2 and 1.3 GB). Registries are those of npm's and pip's configuration. A GPU needs CUDA 12.2 and cuDNN 8.9, too,
 * which this does not fetch.
 *
 * @param options for a GPU or not, folder, a wheel, who is told of the steps
 * @returns where it lies and what it is
 * @throws RuntimeError `install-failed` that says what is missing: the compiler, Python, the network, the right bytes, room on the disk;
 * the signal's reason when that stops it. The target is as it was then
 * @example
 * ```ts
 * const { folder } = await installNative({ onProgress: console.error });
 * await prepareBackend({ backend: "tfjs-node" });
 * ```
 */
export function installNative({ gpu = false, ...options }: InstallNativeOptions = {}): Promise<NativeInstall> {
  return installNativeAmong({ ...SURROUNDINGS, pins: gpu ? NATIVE_GPU_PINS : NATIVE_PINS }, options);
}
