// Routed inference beside PyTorch: preset "paper", 640 × 800, batch 1, float32, images to pyramid, on random routes of which so many
// paths are open, the same weights and routes for all. Every engine is a process that stays; they take turns, round by round, so
// that a slow minute of the machine hits all. A turn is one run to warm up and some that count; medians. Needs Python 3 with venv
// and network for PyTorch (3 GB), or CADDET_BENCH_PYTHON, a Python that has torch and numpy.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { prepareBackend } from "@caddet/runtime/node";
import { type InferAnswer, type InferAsk, type Routes, SIZE } from "./peers/infer-engine";
import { type LineProcess, startLineProcess } from "./peers/line-process";
import { createVenv } from "./peers/python-venv";
import { writeRoutedModels } from "./peers/routed-models";

/** One engine at one share of open paths. */
export interface InferRow {
  engine: string;
  threads: number;
  /** Of the paths, about, that are open. */
  share: number;
  /** Of blocks and paths that run, stem and pyramid; without routers. */
  madds: number;
  median_ms: number;
  peer: string;
  peer_ms: number;
  /** peer_ms / median_ms */
  ratio: number;
  /** Time over that with all paths open, divided by the same of MAdds: 1 where time follows MAdds, more where it lags behind. */
  follows: number;
  /** The same of the peer. */
  peer_follows: number;
}

interface Contestant {
  readonly name: string;
  readonly threads: number;
  readonly engine: LineProcess;
  readonly shares: readonly number[];
  readonly routers?: boolean;
}

const SHARES = [0.25, 0.5, 0.75, 1];
const THREADS = 2;
const ROUNDS = 7;
// Of a turn, after one to warm up.
const RUNS = 2;
const TOLERANCE = 1e-3;

const PEER = fileURLToPath(new URL("peers/caddet_torch.py", import.meta.url));
const TFJS = fileURLToPath(new URL("peers/infer-tfjs.ts", import.meta.url));
const ONNXRUNTIME = fileURLToPath(new URL("peers/infer-onnxruntime.ts", import.meta.url));

const typescript = ([file, ...args]: [string, ...string[]], env: Readonly<Record<string, string>> = {}) =>
  startLineProcess([process.execPath, "--conditions=@caddet/source", "--import", "tsx", file, ...args], env);

// An engine that is not installed everywhere; a line on stderr says that its rows are absent, and why.
async function optional(name: string, starting: Promise<LineProcess>): Promise<LineProcess | undefined> {
  try {
    return await starting;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n").find((line) => /Error/.test(line)) : undefined;
    process.stderr.write(`no rows of ${name}: ${reason ?? cause}\n`);
    return undefined;
  }
}

async function pythonWithTorch(): Promise<{ python: string; remove(): Promise<void> }> {
  // biome-ignore lint/suspicious/noUndeclaredEnvVars: benchmarks are no task of turbo's
  const own = process.env.CADDET_BENCH_PYTHON;
  if (own) return { python: own, remove: async () => {} };
  const { python, missing, remove } = await createVenv(["torch", "numpy"]);
  const [failed] = Object.entries(missing);
  if (!failed) return { python, remove };
  await remove();
  throw new Error(
    `${failed[0]} could not be installed: ${failed[1]}. Set CADDET_BENCH_PYTHON to a Python that has it.`,
  );
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number) => Number(value.toPrecision(3));

function checkMeans(name: string, share: number, means: readonly number[], wanted: readonly number[]): void {
  const close = wanted.every((value, n) => Math.abs(value - means[n]!) <= TOLERANCE * value);
  if (close && means.length === wanted.length) return;
  throw new Error(`${name}, ${share} open: mean magnitudes of the pyramid are ${means}, PyTorch's are ${wanted}.`);
}

/** Medians by contestant and share. */
async function contest(contestants: readonly Contestant[]): Promise<(name: string, share: number) => number> {
  const times = new Map<string, number[]>();
  const key = (name: string, share: number) => `${name} ${share}`;
  for (let round = 0; round < ROUNDS; round++) {
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`);
    for (const share of SHARES) {
      let wanted: readonly number[] | undefined;
      for (const { name, engine, shares, routers } of contestants) {
        if (!shares.includes(share)) continue;
        const ask: InferAsk = { share, runs: RUNS + 1, ...(routers ? { routers } : {}) };
        const { ms, means } = (await engine.ask(ask)) as InferAnswer;
        wanted ??= means;
        checkMeans(name, share, means, wanted);
        const all = times.get(key(name, share)) ?? [];
        times.set(key(name, share), [...all, ...ms.slice(1)]);
      }
    }
  }
  return (name, share) => median(times.get(key(name, share))!);
}

function rowsOf(
  [peer, ...engines]: readonly [Contestant, ...Contestant[]],
  time: (name: string, share: number) => number,
  madds: ReadonlyMap<number, number>,
): InferRow[] {
  const follows = (name: string, share: number) =>
    rounded(time(name, share) / time(name, 1) / (madds.get(share)! / madds.get(1)!));
  return engines.flatMap(({ name, threads, shares, routers }) =>
    shares.map((share) => {
      // Routers that decide are compared with the same engine on forced routes.
      const other = routers ? engines[0]!.name : peer.name;
      return {
        engine: name,
        threads,
        share,
        madds: madds.get(share)!,
        median_ms: rounded(time(name, share)),
        peer: other,
        peer_ms: rounded(time(other, share)),
        ratio: rounded(time(other, share) / time(name, share)),
        follows: follows(name, share),
        peer_follows: follows(other, share),
      };
    }),
  );
}

/** Draws weights and routes, exports the models, runs all engines in turn. Takes some minutes and 4 GB of memory. */
export async function run(): Promise<InferRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "caddet-bench-infer-"));
  const { python, remove } = await pythonWithTorch();
  const running: LineProcess[] = [];
  const started = async (starting: Promise<LineProcess>) => {
    const one = await starting;
    running.push(one);
    return one;
  };
  try {
    const sizes = [SIZE.height, SIZE.width, THREADS, ...SHARES].map(String);
    const torch = await started(startLineProcess([python, PEER, folder, ...sizes]));
    const { version, routes } = torch.greeting as { version: string; routes: Routes };
    await writeFile(join(folder, "routes.json"), JSON.stringify(routes));
    await prepareBackend({ backend: "wasm" });
    const madds = await writeRoutedModels(folder, routes);
    const onnx = (mode: string, runtime: string) =>
      typescript([ONNXRUNTIME, folder, mode, String(THREADS), `onnxruntime-${runtime}`]);
    const wasm = await started(typescript([TFJS, folder, "wasm"]));
    const dynamic = await started(onnx("dynamic", "node"));
    const fixed = await started(onnx("fixed", "node"));
    const web = await optional("onnxruntime-web", started(onnx("dynamic", "web")));
    const threads = { TF_NUM_INTRAOP_THREADS: String(THREADS), OMP_NUM_THREADS: String(THREADS) };
    const node = await optional("tfjs-node", started(typescript([TFJS, folder, "tfjs-node"], threads)));
    const common = { threads: THREADS, shares: SHARES };
    // The wasm backend has one thread in Node.
    const contestants: [Contestant, ...Contestant[]] = [
      { name: `PyTorch ${version} eager, routed`, engine: torch, ...common },
      { name: "tfjs-wasm", threads: 1, engine: wasm, shares: SHARES },
      { name: "tfjs-wasm, routers decide", threads: 1, engine: wasm, shares: [1], routers: true },
      { name: "onnxruntime-node dynamic", engine: dynamic, ...common },
      { name: "onnxruntime-node fixed", engine: fixed, ...common },
      ...(web ? [{ name: "onnxruntime-web dynamic", engine: web, ...common }] : []),
      ...(node ? [{ name: "tfjs-node", engine: node, ...common }] : []),
    ];
    return rowsOf(contestants, await contest(contestants), madds);
  } finally {
    await Promise.all(running.map((one) => one.stop()));
    await remove();
    await rm(folder, { recursive: true, force: true });
  }
}
