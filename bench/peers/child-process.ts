// Runs one contestant of a benchmark as a whole process and tells its wall time and peak memory. A small Python process stands
// between: the kernel counts the memory of whoever forks into the peak of its child, and Node is far too big for that.
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

/** One finished process. */
export interface ChildRun {
  /** From its start to its end, start-up of the language included. */
  readonly wallMs: number;
  /** Largest resident set in MiB, threads included; of processes that it starts itself, the largest one. */
  readonly peakMiB: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface ChildOptions {
  /** Added to the environment, e.g. `{ RAYON_NUM_THREADS: "1" }`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends it after so many milliseconds; default 10 minutes. */
  readonly timeoutMs?: number;
}

const MEASURE = `
import json, os, resource, subprocess, sys, time
start = time.perf_counter()
try:
    code = subprocess.run(sys.argv[2:], timeout=float(sys.argv[1])).returncode
except subprocess.TimeoutExpired:
    code = 124
wall = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
os.write(3, json.dumps([wall * 1000, peak, code]).encode())
`;

async function textOf(stream: Readable): Promise<string> {
  let text = "";
  for await (const piece of stream.setEncoding("utf8")) text += piece;
  return text;
}

/**
 * Runs a command to its end.
 *
 * @param command the program and its arguments; no shell
 * @param options environment and time limit
 * @returns wall time, peak memory, output and exit code (124 when the time ran out)
 * @throws when it cannot be started
 * @example const { wallMs, peakMiB } = await runChild([process.execPath, "dist/cli.js", "doctor"])
 */
export async function runChild(command: readonly string[], options: ChildOptions = {}): Promise<ChildRun> {
  const { env = {}, timeoutMs = 600_000 } = options;
  const child = spawn("python3", ["-c", MEASURE, String(timeoutMs / 1000), ...command], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const started = new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  const [, out, err, report] = child.stdio as unknown as [null, Readable, Readable, Readable];
  const [stdout, stderr, numbers] = await Promise.all([textOf(out), textOf(err), textOf(report), started]);
  if (numbers === "") throw new Error(`${command.join(" ")} could not be started: ${stderr.trim().split("\n").at(-1)}`);
  const [wallMs, peakMiB, exitCode] = JSON.parse(numbers) as [number, number, number];
  return { wallMs, peakMiB, stdout, stderr, exitCode };
}
