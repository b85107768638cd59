// Compiles assembly/ with AssemblyScript, once for plain SIMD and once for relaxed SIMD, and writes both modules as base64
// into src/generated/kernels.ts, so that no bundler, server or file system has to find a .wasm file.
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));
const SHARED_FLAGS = [
  "assembly/index.ts",
  "--baseDir",
  root,
  "-O3",
  "--noAssert",
  "--runtime",
  "stub",
  "--importMemory",
  // With a maximum, turning the import into one of a shared memory is a change of one byte.
  "--maximumMemory",
  "65536",
  "--enable",
  "simd",
];

async function compile(extra) {
  let binary;
  const { error, stderr } = await asc.main([...SHARED_FLAGS, ...extra, "--outFile", "kernels.wasm"], {
    writeFile: (_name, contents) => {
      binary = contents;
    },
  });
  if (error || !binary) throw new Error(`AssemblyScript refused the kernels: ${error?.message}\n${stderr.toString()}`);
  return Buffer.from(binary).toString("base64");
}

const simd = await compile([]);
const relaxed = await compile(["--enable", "relaxed-simd"]);
await mkdir(`${root}/src/generated`, { recursive: true });
await writeFile(
  `${root}/src/generated/kernels.ts`,
  `// Written by scripts/generate-kernels.mjs. Do not edit.
/** The kernels with SIMD, base64. */
export const SIMD_KERNELS =
  "${simd}";
/** The kernels with fused multiply-add, base64. */
export const RELAXED_SIMD_KERNELS =
  "${relaxed}";
`,
);
