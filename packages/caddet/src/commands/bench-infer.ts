// `caddet bench infer`: how long a run's detector takes on this machine, engine by engine: pixels in, boxes out, one image at a time.
// Each engine has a process of its own where the build can start one, so that its peak of memory is its own.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CaddetError, createRandom, type Size } from "@caddet/core";
import type { ImageSource } from "@caddet/inferencer";
import type { BackendName } from "@caddet/runtime/node";
import { columns, type Output } from "../output";
import { startDetector } from "../ready-detector";
import { type RunFile, readRunFile } from "../run-file";

/** Options of the command. */
export interface BenchInferOptions {
  readonly run: string;
  /** Of the picture, pixels. Default 640 × 800. */
  readonly size: Size;
  readonly runs: number;
  readonly engine: "auto" | "tfjs" | "onnx";
  readonly backend: BackendName | "auto";
  readonly threads?: number;
  readonly json: boolean;
}

/** What one engine took. */
export interface BenchInferRow {
  readonly engine: string;
  readonly device: string;
  /** The network's input, padding included. */
  readonly input: Size;
  readonly ms: { readonly median: number; readonly p95: number };
  readonly imagesPerSecond: number;
  /** Of the picture's route: blocks and paths that ran; null for a static backbone. */
  readonly madds: number | null;
  /** Of the process, MiB. */
  readonly peakRssMib: number;
}

const ENGINES = ["onnx", "tfjs"] as const;

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;

// Noise of one seed: every run and every engine sees the same picture. It is drawn at the size that is asked for, once, so that neither
// decoding nor resizing a file is in the times.
function noise(size: Size): ImageSource {
  let drawn = new Uint8Array(0);
  const render = async ({ height, width }: Size) => {
    const length = height * width * 3;
    if (drawn.length !== length) {
      const random = createRandom(0);
      drawn = Uint8Array.from({ length }, () => random.int(256));
    }
    return drawn;
  };
  return { ...size, render };
}

async function measure(run: RunFile, options: BenchInferOptions): Promise<BenchInferRow> {
  const { size, runs } = options;
  const { inferencer, device } = await startDetector(run, options);
  try {
    const image = noise(size);
    await inferencer.warmup(size);
    const { input, madds } = await inferencer.detect(image);
    const times: number[] = [];
    for (let n = 0; n < runs; n++) {
      const started = performance.now();
      await inferencer.detect(image);
      times.push(performance.now() - started);
    }
    const total = times.reduce((a, b) => a + b, 0);
    const sorted = times.sort((a, b) => a - b);
    return {
      engine: inferencer.engine,
      device,
      input,
      ms: { median: percentile(sorted, 0.5), p95: percentile(sorted, 0.95) },
      imagesPerSecond: (1000 * runs) / total,
      madds: madds ?? null,
      peakRssMib: process.resourceUsage().maxRSS / 1024,
    };
  } finally {
    await inferencer.close();
  }
}

const PROGRAM =
  "import(process.argv[1]).then(async ({ main }) => { process.exitCode = await main(process.argv.slice(2)); });";

// The same command for one engine, in a process of its own.
async function measureApart(
  program: URL,
  { run, size, runs, engine, backend, threads }: BenchInferOptions,
): Promise<BenchInferRow> {
  const args = [
    ...["bench", "infer", "--json", "--run", run, "--engine", engine, "--backend", backend],
    ...["--size", `${size.height}x${size.width}`, "--runs", String(runs)],
    ...(threads === undefined ? [] : ["--threads", String(threads)]),
  ];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", PROGRAM, program.href, ...args]);
    return (JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as { rows: [BenchInferRow] }).rows[0];
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string };
    const said = stderr?.split("\n").findLast((line) => line.startsWith("error: "));
    throw new CaddetError("bench", said?.slice("error: ".length) ?? message, {}, { cause });
  }
}

function print(rows: readonly BenchInferRow[], { size, runs }: BenchInferOptions, output: Output): void {
  const first = rows[0]!.input;
  output.text(
    `a picture of ${size.height}x${size.width}, input ${first.height}x${first.width}, batch 1, ${runs} runs after 2\n\n`,
  );
  output.text(
    columns([
      ["engine", "median ms", "p95 ms", "img/s", "M MAdds", "peak MiB"],
      ...rows.map(({ engine, ms, imagesPerSecond, madds, peakRssMib }) => [
        engine,
        ...[ms.median, ms.p95, imagesPerSecond].map((v) => v.toFixed(1)),
        madds === null ? "-" : (madds / 1e6).toFixed(1),
        peakRssMib.toFixed(0),
      ]),
    ]),
  );
  output.text("\n");
  for (const { engine, device } of rows) output.text(`${engine}: ${device}\n`);
}

/**
 * Measures and prints.
 *
 * @throws CheckpointError when there is no such run, CaddetError when no engine works
 */
export async function benchInfer(options: BenchInferOptions, output: Output): Promise<void> {
  const run = await readRunFile(options.run);
  const rows: BenchInferRow[] = [];
  const skipped: { engine: string; reason: string }[] = [];
  const program = new URL("./cli.js", import.meta.url);
  // The sources have no program beside this file; then engines share this process, and its peak of memory.
  const isBuilt = existsSync(fileURLToPath(program));
  if (options.engine !== "auto") rows.push(await measure(run, options));
  else {
    for (const engine of ENGINES) {
      const one = { ...options, engine };
      try {
        rows.push(isBuilt ? await measureApart(program, one) : await measure(run, one));
      } catch (error) {
        if (!(error instanceof CaddetError)) throw error;
        skipped.push({ engine, reason: error.message });
        output.note(`${engine} does not work here: ${error.message}\n`);
      }
    }
  }
  if (rows.length === 0) throw new CaddetError("bench", "No engine works here. The lines above say why.");
  if (options.json) output.json({ size: options.size, runs: options.runs, rows, skipped });
  else print(rows, options, output);
}
