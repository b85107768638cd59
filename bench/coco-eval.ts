// COCO's box evaluation, whole processes, load included: `caddet coco eval` and @caddet/coco/evaluate/node (both from the build) beside the
// Python packages, on a generated set of val2017's size. Runs are interleaved, each in a fresh process; medians. Threads are set
// by each contestant's own means. Needs Python 3 with venv, and network for pip.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChildRun, runChild } from "./peers/child-process";
import { writeEvaluationSet } from "./peers/evaluation-set";
import { PEER_EVALUATORS, PEER_SCRIPT } from "./peers/evaluators";
import { createVenv } from "./peers/python-venv";

/** One contestant with so many threads. */
export interface EvaluatorRow {
  name: string;
  version: string;
  threads: number;
  median_ms: number;
  fastest_ms: number;
  peak_mib: number;
  /** Time of the contestant over that of @caddet/coco with as many threads. */
  ratio: number;
  runs: number;
  /** Whether the twelve numbers are pycocotools', to 1e-12. */
  equal: boolean;
}

interface Contestant {
  readonly name: string;
  readonly version: string;
  readonly threads: number;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly runs: number;
}

const RUNS = 7;
// Those that take ten times as long.
const SLOW_RUNS = 2;
const OWN = "@caddet/coco/evaluate/node";

const OWN_SCRIPT = (entry: string) => `
import { evaluateFiles } from ${JSON.stringify(entry)};
const [, , gt, dt, threads] = process.argv;
const { stats } = await evaluateFiles({ gt, dt, threads: Number(threads) });
process.stdout.write(JSON.stringify({ stats: [...stats] }));
`;

function ownContestants(script: string, gt: string, dt: string): Contestant[] {
  const cli = fileURLToPath(new URL("../packages/caddet/bin/caddet.mjs", import.meta.url));
  return [1, 2].flatMap((threads) => {
    const shared = { version: "build", threads, runs: RUNS };
    const flags = ["--gt", gt, "--dt", dt, "--threads", String(threads), "--json"];
    return [
      { ...shared, name: OWN, command: [process.execPath, script, gt, dt, String(threads)] },
      { ...shared, name: "caddet coco eval", command: [process.execPath, cli, "coco", "eval", ...flags] },
    ];
  });
}

function statsOf({ stdout, stderr, exitCode }: ChildRun, name: string): number[] {
  if (exitCode !== 0) throw new Error(`${name} failed (${exitCode}): ${stderr.slice(-400)}`);
  return (JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as { stats: number[] }).stats;
}

const isEqual = (stats: readonly number[], wanted: readonly number[]) =>
  wanted.every((value, n) => Math.abs(value - stats[n]!) <= 1e-12);

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Generates the set, makes the environment, runs all contestants in turn. */
export async function run(): Promise<EvaluatorRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "caddet-bench-eval-"));
  const place = (name: string) => join(folder, name);
  const [gt, dt, own, peer] = [place("gt.json"), place("dt.json"), place("own.mjs"), place("peer.py")];
  const venv = await createVenv(PEER_EVALUATORS.map(({ name }) => name));
  try {
    await writeEvaluationSet({ gt, dt });
    await writeFile(own, OWN_SCRIPT(new URL("../packages/coco/dist/evaluate.js", import.meta.url).href));
    await writeFile(peer, PEER_SCRIPT);
    const peers = PEER_EVALUATORS.filter(({ name }) => venv.versions[name] !== undefined).flatMap(
      ({ name, threads, slow, env }) =>
        threads.map((count) => ({
          name,
          version: venv.versions[name]!,
          threads: count,
          command: [venv.python, peer, name, gt, dt, String(count)],
          env: env(count),
          runs: slow ? SLOW_RUNS : RUNS,
        })),
    );
    const contestants: Contestant[] = [...ownContestants(own, gt, dt), ...peers];
    const results = contestants.map(() => ({ runs: [] as ChildRun[], stats: [] as number[] }));
    for (let round = 0; round < RUNS; round++) {
      for (const [n, { name, command, env, runs }] of contestants.entries()) {
        if (round >= runs) continue;
        const result = await runChild(command, { env });
        results[n]!.stats = statsOf(result, name);
        results[n]!.runs.push(result);
      }
    }
    const timeOf = (n: number) => median(results[n]!.runs.map(({ wallMs }) => wallMs));
    const reference = contestants.findIndex(({ name }) => name === "pycocotools");
    const wanted = results[Math.max(0, reference)]!.stats;
    return contestants.map(({ name, version, threads }, n) => {
      const ours = contestants.findIndex((c) => c.name === OWN && c.threads === threads);
      return {
        name,
        version,
        threads,
        median_ms: Math.round(timeOf(n)),
        fastest_ms: Math.round(Math.min(...results[n]!.runs.map(({ wallMs }) => wallMs))),
        peak_mib: Math.round(Math.max(...results[n]!.runs.map(({ peakMiB }) => peakMiB))),
        ratio: Number((timeOf(n) / timeOf(ours)).toPrecision(3)),
        runs: results[n]!.runs.length,
        equal: isEqual(results[n]!.stats, wanted),
      };
    });
  } finally {
    await venv.remove();
    await rm(folder, { recursive: true, force: true });
  }
}
