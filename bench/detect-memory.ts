// Memory of a process that detects: its peak with one image, and how it grows from the 100th image to the 1,000th. Float32, batch 1,
// routers of fresh weights decide, 80 classes, head by default; model and image are files. Beside PyTorch's peak with one pass of the
// network alone, preset "paper", where CADDET_BENCH_PYTHON names a Python that has torch and numpy.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@caddet/core";
import { buildDetector, parseModelConfig, serializeDetector } from "@caddet/detector";
import { fcosFactory } from "@caddet/heads";
import { exportOnnx } from "@caddet/onnx";
import { prepareBackend } from "@caddet/runtime/node";
import { supernetFactory } from "@caddet/supernet";
import { build } from "esbuild";
import sharp from "sharp";
import { type ChildRun, runChild } from "./peers/child-process";
import type { DetectReport } from "./peers/detect-process";

/** One preset on one engine. Memory in MiB. */
export interface MemoryRow {
  engine: string;
  preset: string;
  input: string;
  /** Largest resident set with one image. */
  peak_rss_mib: number;
  peer: string | null;
  peer_rss_mib: number | null;
  /** peer_rss_mib / peak_rss_mib */
  ratio: number | null;
  /** Resident after 100 and after 1,000 images; null where that was not run. */
  rss_100_mib: number | null;
  rss_1000_mib: number | null;
  tensors_100: number | null;
  tensors_1000: number | null;
}

const IMAGES = 1000;
const THREADS = 2;
const PRESETS = [
  { preset: "paper", height: 640, width: 800, grows: false },
  { preset: "small", height: 320, width: 320, grows: true },
] as const;
type Preset = (typeof PRESETS)[number];

const PROCESS = fileURLToPath(new URL("peers/detect-process.ts", import.meta.url));
const PEER = fileURLToPath(new URL("peers/caddet_torch.py", import.meta.url));
// Inside of the repository, where the bundle finds the packages that it does not hold.
const CACHE = fileURLToPath(new URL("../node_modules/.cache", import.meta.url));

/** The process as one plain file: a TypeScript loader would need more memory than some of the models. */
async function bundle(folder: string): Promise<string> {
  const outfile = join(folder, "detect.mjs");
  await build({
    entryPoints: [PROCESS],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["@caddet/source"],
    external: ["@tensorflow/*", "onnxruntime-node", "sharp", "zod", "tinyglobby"],
    logLevel: "error",
  });
  return outfile;
}

interface Files {
  readonly tfjs: string;
  readonly onnx: string;
  readonly image: string;
}

async function writeFiles(folder: string, { preset, height, width }: Preset): Promise<Files> {
  const parts = { backbones: [supernetFactory], heads: [fcosFactory] };
  const config = parseModelConfig({ backbone: { preset } }, parts);
  const classes = Array.from({ length: 80 }, (_, i) => ({ id: i + 1, name: `class ${i + 1}` }));
  const detector = buildDetector(config, { parts, numClasses: classes.length, random: createRandom(0) });
  const path = (name: string) => join(folder, `${preset}.${name}`);
  const files = { tfjs: path("safetensors"), onnx: path("onnx"), image: path("jpg") };
  try {
    await writeFile(files.tfjs, await serializeDetector({ detector, config, classes, metadata: {} }));
    await writeFile(files.onnx, await exportOnnx(detector, { classes, config }));
  } finally {
    detector.dispose();
  }
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  await sharp({ create: { width, height, channels: 3, noise, background: "black" } })
    .jpeg()
    .toFile(files.image);
  return files;
}

function checked(run: ChildRun, what: string): ChildRun {
  if (run.exitCode === 0) return run;
  throw new Error(`${what} ended with code ${run.exitCode}: ${run.stderr.trim().slice(-2000)}`);
}

async function measured(
  script: string,
  files: Files,
  engine: "tfjs" | "onnx",
  { preset, height, width }: Preset,
  count: number,
) {
  const [shorter, longer] = [Math.min(height, width), Math.max(height, width)];
  const args = [files[engine], files.image, engine, shorter, longer, count].map(String);
  const run = checked(
    await runChild([process.execPath, script, ...args], { timeoutMs: 3_600_000 }),
    `${engine}, ${preset}`,
  );
  return { peakMiB: run.peakMiB, report: JSON.parse(run.stdout) as DetectReport };
}

/** Peak of PyTorch's process, MiB; it routes with all paths open. */
async function peakOfTorch(python: string, folder: string, { height, width }: Preset): Promise<number> {
  const ask = JSON.stringify({ share: 1, runs: 1 });
  // A shell hands it the question, and waits, so that its memory counts.
  const command = ["sh", "-c", 'ask=$1; shift; printf "%s\\n" "$ask" | "$@"', "sh", ask];
  const args = [python, PEER, folder, height, width, THREADS, 1].map(String);
  return checked(await runChild([...command, ...args]), "PyTorch").peakMiB;
}

const rounded = (mib: number) => Math.round(mib);

/** Writes models and images, and runs one process after another. Takes some minutes. */
export async function run(): Promise<MemoryRow[]> {
  // biome-ignore lint/suspicious/noUndeclaredEnvVars: benchmarks are no task of turbo's
  const python = process.env.CADDET_BENCH_PYTHON;
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "caddet-bench-memory-"));
  try {
    const script = await bundle(folder);
    await prepareBackend({ backend: "wasm" });
    const rows: MemoryRow[] = [];
    for (const preset of PRESETS) {
      const files = await writeFiles(folder, preset);
      const peer = python && preset.preset === "paper" ? await peakOfTorch(python, folder, preset) : undefined;
      for (const engine of ["tfjs", "onnx"] as const) {
        process.stderr.write(`${preset.preset}, ${engine}\n`);
        const { peakMiB } = await measured(script, files, engine, preset, 1);
        const long = preset.grows ? (await measured(script, files, engine, preset, IMAGES)).report : undefined;
        rows.push({
          engine: engine === "tfjs" ? "tfjs on wasm" : "onnxruntime-node",
          preset: preset.preset,
          input: `${preset.height}x${preset.width}`,
          peak_rss_mib: rounded(peakMiB),
          peer: peer === undefined ? null : "PyTorch eager, routed, network alone",
          peer_rss_mib: peer === undefined ? null : rounded(peer),
          ratio: peer === undefined ? null : Number((peer / peakMiB).toPrecision(3)),
          rss_100_mib: long ? rounded(long.rss[0]) : null,
          rss_1000_mib: long ? rounded(long.rss[1]) : null,
          tensors_100: long ? long.tensors[0] : null,
          tensors_1000: long ? long.tensors[1] : null,
        });
      }
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
