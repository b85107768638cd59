// The native install with stand-ins for npm, pip and the compiler; the real ones run in scripts/native.
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RuntimeError } from "../src";
import { nativeFolder } from "../src/node/native/folder";
import { type InstallNativeOptions, type InstallSurroundings, installNativeAmong } from "../src/node/native/install";
import { extractEntry, zipEntries } from "../src/node/native/zip";
import { findPackage } from "../src/node/packages";
import { zipArchive } from "./zip-archive";

const FILES = {
  "tensorflow/libtensorflow_cc.so.2": "cc ".repeat(1000),
  "tensorflow/libtensorflow_framework.so.2": "framework",
  "tensorflow/include/tensorflow/c/c_api.h": "int api;",
  "tensorflow/include/../../outside/tensorflow/evil.h": "never",
  "tensorflow/python/other.py": "pass",
};
const ARCHIVE = zipArchive(FILES);
const SHA = createHash("sha256").update(ARCHIVE).digest("hex");
const OWN = "node_modules/@tensorflow/tfjs-node";

const npm = (name: string) => `
if (process.argv[2] === "config") { console.log("https://packages.example/"); process.exit(0); }
const { mkdirSync, writeFileSync } = require("node:fs");
if (!process.argv.includes("--ignore-scripts") || !process.argv.includes("--registry=https://packages.example/")) process.exit(3);
const own = "node_modules/${name}";
mkdirSync(own + "/dist", { recursive: true });
writeFileSync(own + "/package.json", JSON.stringify({ name: "${name}", main: "dist/index.js" }));
writeFileSync(own + "/dist/index.js", "");
writeFileSync("node_modules/.package-lock.json", JSON.stringify({ packages: { [own]: { integrity: "sha512-own" } } }));`;
const NPM = npm("@tensorflow/tfjs-node");
const COMPILER = `
if (process.argv[2] === "--version") process.exit(0);
const { readFileSync, writeFileSync } = require("node:fs");
readFileSync("deps/include/tensorflow/c/c_api.h");
writeFileSync("lib/napi-v8/tfjs_binding.node", "addon of " + readFileSync("deps/lib/libtensorflow_framework.so.2"));`;

let root: string;
let path: string | undefined;
let surroundings: InstallSurroundings;

async function tool(name: string, source: string): Promise<void> {
  const file = join(root, "bin", name);
  await writeFile(file, `#!${process.execPath}\n${source}\n`);
  await chmod(file, 0o755);
}

const pip = (source: string) => tool("python3", `if (process.argv[2] === "--version") process.exit(0);\n${source}`);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "caddet-native-"));
  await mkdir(join(root, "bin"));
  await mkdir(join(root, "home"));
  await writeFile(join(root, "archive.whl"), ARCHIVE);
  path = process.env.PATH;
  process.env.PATH = join(root, "bin");
  await tool("npm", NPM);
  await tool("c++", COMPILER);
  await pip(`
const { copyFileSync, mkdirSync } = require("node:fs");
const folder = process.argv[process.argv.indexOf("--dest") + 1];
mkdirSync(folder, { recursive: true });
copyFileSync(${JSON.stringify(join(root, "archive.whl"))}, folder + "/tensorflow.whl");`);
  surroundings = {
    pins: {
      backend: "tfjs-node",
      packages: [{ name: "@tensorflow/tfjs-node", version: "4.22.0", integrity: "sha512-own" }],
      wheel: { name: "tensorflow-cpu", version: "2.15.1", file: "tensorflow.whl", sha256: SHA, megabytes: 1 },
      neededBytes: 1.4e9,
    },
    env: { XDG_DATA_HOME: join(root, "home") },
    platform: "linux-x64",
    tryOut: async () => undefined,
    freeBytes: async () => 1e12,
  };
});

afterEach(async () => {
  process.env.PATH = path;
  await rm(root, { recursive: true, force: true });
});

const install = (options: InstallNativeOptions = {}, other: Partial<InstallSurroundings> = {}) =>
  installNativeAmong({ ...surroundings, ...other }, options);

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RuntimeError);
  expect(error).toMatchObject({ code: "install-failed", backend: "tfjs-node", hint: expect.stringMatching(/\.$/) });
  // Nothing is left, wherever it failed.
  expect(await readdir(join(root, "home", "caddet")).catch(() => [])).toEqual([]);
  return (error as RuntimeError).message;
}

describe.skipIf(process.platform === "win32")("installNative", () => {
  it("builds the addon next to the libraries, tells its steps and is found afterwards", async () => {
    const steps: string[] = [];
    const folder = join(root, "home", "caddet", "native");
    const made = await install({ onProgress: (step) => steps.push(step) });
    expect(made).toEqual({ version: "4.22.0", libtensorflow: "2.15.1", folder, present: false });
    expect(steps).toHaveLength(5);
    expect(await readFile(join(folder, OWN, "lib/napi-v8/tfjs_binding.node"), "utf8")).toBe("addon of framework");
    expect(await readFile(join(folder, OWN, "deps/lib/libtensorflow_cc.so.2"), "utf8")).toBe("cc ".repeat(1000));
    expect((await readdir(join(folder, OWN, "deps"))).sort()).toEqual(["lib"]);
    expect(await readdir(join(root, "home", "caddet"))).toEqual(["native"]);
    const before = process.env.CADDET_NATIVE_FOLDER;
    try {
      process.env.CADDET_NATIVE_FOLDER = join(root, "nowhere");
      const absent = findPackage("@tensorflow/tfjs-node");
      process.env.CADDET_NATIVE_FOLDER = folder;
      // One that is installed next to this package comes first.
      expect(findPackage("@tensorflow/tfjs-node")).toBe(absent ?? join(folder, OWN, "dist/index.js"));
      expect(nativeFolder("tfjs-node")).toBe(folder);
    } finally {
      if (before === undefined) delete process.env.CADDET_NATIVE_FOLDER;
      else process.env.CADDET_NATIVE_FOLDER = before;
    }
  });

  it("does nothing where it is there, and replaces one that is broken or older", async () => {
    await install();
    await tool("npm", "process.exit(9);");
    expect(await install()).toMatchObject({ present: true });
    await tool("npm", NPM);
    let tries = 0;
    expect(await install({}, { tryOut: async () => (tries++ === 0 ? "broken" : undefined) })).toMatchObject({
      present: false,
    });
    const { pins } = surroundings;
    const newer = await install({}, { pins: { ...pins, wheel: { ...pins.wheel, version: "2.16.0" } } });
    expect(newer).toMatchObject({ libtensorflow: "2.16.0", present: false });
    expect(await readdir(join(root, "home", "caddet"))).toEqual(["native"]);
  });

  it("installs tfjs-node-gpu beside, in a folder of its own", async () => {
    const name = "@tensorflow/tfjs-node-gpu";
    const pins = {
      ...surroundings.pins,
      backend: "tfjs-node-gpu" as const,
      packages: [{ name, version: "4.22.0", integrity: "sha512-own" }],
    };
    await install();
    await tool("npm", npm(name));
    const tried: string[] = [];
    const tryOut: InstallSurroundings["tryOut"] = async (_, { backend }) => void tried.push(backend);
    const { folder, present } = await install({}, { pins, tryOut });
    expect({ folder, present, tried }).toEqual({
      folder: join(root, "home", "caddet", "native-gpu"),
      present: false,
      tried: ["tfjs-node-gpu"],
    });
    expect(await readFile(join(folder, "node_modules", name, "lib/napi-v8/tfjs_binding.node"), "utf8")).toBe(
      "addon of framework",
    );
    expect(await readdir(join(root, "home", "caddet"))).toEqual(["native", "native-gpu"]);
    await expect(install({}, { pins, platform: "darwin-arm64" })).rejects.toMatchObject({
      backend: "tfjs-node-gpu",
      message: expect.stringMatching(/npm install @tensorflow\/tfjs-node-gpu/),
    });
    const before = process.env.CADDET_NATIVE_FOLDER;
    try {
      process.env.CADDET_NATIVE_FOLDER = folder;
      expect(findPackage(name)).toMatch(/tfjs-node-gpu.dist.index\.js$/);
    } finally {
      if (before === undefined) delete process.env.CADDET_NATIVE_FOLDER;
      else process.env.CADDET_NATIVE_FOLDER = before;
    }
  });

  it("takes a wheel that is here, without Python", async () => {
    await rm(join(root, "bin", "python3"));
    expect(await failure(install())).toMatch(/needs Python 3 with pip.*tensorflow\.whl/);
    expect(await install({ wheel: join(root, "archive.whl") })).toMatchObject({ present: false });
  });

  it("says that there is no compiler, and takes the one in CXX", async () => {
    await rm(join(root, "bin", "c++"));
    expect(await failure(install())).toMatch(
      /C\+\+ compiler; c\+\+, g\+\+, clang\+\+ cannot be run.*apt-get install g\+\+/,
    );
    await tool("own-compiler", COMPILER);
    expect(await install({}, { env: { ...surroundings.env, CXX: "own-compiler" } })).toMatchObject({ present: false });
  });

  it.each([
    ["npm", "getaddrinfo ENOTFOUND registry.example", /npm could not install .*ENOTFOUND.*npm config get registry/],
    ["c++", "error: no C++17", /did not compile: .*no C\+\+17.*GCC 9/],
    ["python3", "No module named pip", /pip could not fetch .*Install pip/],
    ["python3", "Could not find a version", /pip could not fetch .*Could not find a version.*pip config list/],
  ])("tells what %s said: %s", async (name, said, message) => {
    const fail = `console.error(${JSON.stringify(said)}); process.exit(1);`;
    if (name === "python3") await pip(fail);
    else if (name === "npm") await tool("npm", NPM.replace("const {", `${fail}\nconst {`));
    else await tool(name, `if (process.argv[2] === "--version") process.exit(0);\n${fail}`);
    expect(await failure(install())).toMatch(message);
  });

  it("refuses bytes that are not the pinned ones, from pip and from npm", async () => {
    const changed = Buffer.from(ARCHIVE);
    changed[50]! ^= 1;
    await writeFile(join(root, "archive.whl"), changed);
    expect(await failure(install())).toMatch(new RegExp(`has the SHA-256 [0-9a-f]{64}, expected ${SHA}`));
    await writeFile(join(root, "archive.whl"), ARCHIVE.subarray(0, 100));
    expect(await failure(install())).toMatch(/SHA-256/);
    await tool("npm", NPM.replace("sha512-own", "sha512-other"));
    expect(await failure(install())).toMatch(/has the integrity sha512-other, expected sha512-own/);
  });

  it("says how much room it needs, before and when it runs out", async () => {
    expect(await failure(install({}, { freeBytes: async () => 3e8 }))).toMatch(
      /has 0\.3 GB free\. Make room for 1\.4 GB/,
    );
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    expect(await failure(install({}, { tryOut: () => Promise.reject(full) }))).toMatch(
      /is full\. Make room for 1\.4 GB/,
    );
  });

  it("leaves other files and other systems alone", async () => {
    await writeFile(join(root, "home", "mine.txt"), "mine");
    expect(await failure(install({ folder: join(root, "home") }))).toMatch(/holds other files/);
    expect(await failure(install({ folder: join(root, "archive.whl") }))).toMatch(/cannot be used/);
    expect(await failure(install({}, { platform: "darwin-arm64" }))).toMatch(/for linux-x64; this is darwin-arm64/);
    expect(await failure(install({}, { tryOut: async () => "wrong values" }))).toMatch(/does not work: wrong values/);
  });

  it("stops when told to, in the middle of a program", async () => {
    await tool(
      "npm",
      `${NPM.replace("const {", "setTimeout(() => {}, 60000);\nthrow 0;\nconst {")}`.replace("throw 0;\n", "return;\n"),
    );
    const stop = new AbortController();
    const stopped = install({
      signal: stop.signal,
      onProgress: () => setTimeout(() => stop.abort(new Error("enough")), 50),
    });
    await expect(stopped).rejects.toThrow("enough");
    expect(await readdir(join(root, "home", "caddet"))).toEqual([]);
  });
});

describe("a zip archive", () => {
  it("is listed, and its entries come out whole", async () => {
    const file = join(root, "archive.whl");
    const entries = await zipEntries(file);
    expect(entries.map(({ name }) => name)).toEqual(Object.keys(FILES));
    for (const [n, text] of Object.values(FILES).entries()) {
      await extractEntry(file, entries[n]!, join(root, "out", `${n}`));
      expect(await readFile(join(root, "out", `${n}`), "utf8")).toBe(text);
    }
  });

  it("is refused when it is none, is cut, or lies about sizes", async () => {
    const file = join(root, "other.zip");
    await writeFile(file, "no archive at all");
    await expect(zipEntries(file)).rejects.toThrow(/is no zip archive/);
    await writeFile(file, ARCHIVE.subarray(ARCHIVE.length - 30));
    await expect(zipEntries(file)).rejects.toThrow(/ends after|broken directory/);
    for (const [claimed, message] of [
      [5, /longer than the 5 bytes/],
      [50, /has 9 bytes, not the 50/],
    ] as const) {
      await writeFile(file, zipArchive({ a: "some text" }, claimed));
      const [entry] = await zipEntries(file);
      await expect(extractEntry(file, entry!, join(root, "out"))).rejects.toThrow(message);
    }
  });
});
