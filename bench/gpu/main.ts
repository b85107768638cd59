// Runs the parts of the GPU's test one after the other, each in a process of its own, and prints what they measure as JSON lines. A part
// that fails, hangs or crashes its driver is one line with its error; the next goes on. Started by run.sh, on the machine with the GPU.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const PARTS = ["machine", "specs", "train", "infer", "detect", "onnx"] as const;
const SECONDS = 900;
const POLL_MS = 500;
const LAST_CHARACTERS = 4000;

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: "string", default: "webgpu" },
    quick: { type: "boolean", default: false },
    seconds: { type: "string", default: String(SECONDS) },
  },
});
const unknown = positionals.filter((name) => !(PARTS as readonly string[]).includes(name));
if (unknown.length > 0) throw new Error(`There is no part ${unknown.join(", ")}; parts: ${PARTS.join(", ")}.`);
const parts = PARTS.filter((name) => positionals.length === 0 || positionals.includes(name));

const say = (row: object) => process.stdout.write(`${JSON.stringify(row)}\n`);

/** What all processes have allocated on the first GPU, MiB; undefined where nvidia-smi does not tell. */
function usedMib(): Promise<number | undefined> {
  return new Promise((resolve) => {
    const query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
    execFile("nvidia-smi", query, { timeout: 5000 }, (error, stdout) => {
      const used = Number.parseFloat(stdout);
      resolve(error || Number.isNaN(used) ? undefined : used);
    });
  });
}

/** Looks at the GPU's memory until the process has ended; the most that was seen. */
async function peakOf(child: ChildProcess): Promise<number | undefined> {
  let peak = await usedMib();
  while (peak !== undefined && child.exitCode === null && child.signalCode === null) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    peak = Math.max(peak, (await usedMib()) ?? 0);
  }
  return peak;
}

// The line that says what went wrong; stack traces and the log of a driver stand around it.
function reasonIn(errors: string): string | undefined {
  const lines = errors.split("\n").map((line) => line.trim());
  return lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.findLast((line) => line !== "");
}

/** Runs one part; whether it ended well. */
async function runPart(part: string): Promise<boolean> {
  const started = performance.now();
  const file = fileURLToPath(new URL(`${part}.ts`, import.meta.url));
  const flags = ["--conditions=@caddet/source", "--import", "tsx", file, args.backend, args.quick ? "quick" : "full"];
  // A group of its own, so that what the part has started ends with it.
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    process.stderr.write(piece);
    errors = (errors + piece).slice(-LAST_CHARACTERS);
  });
  const stop = () => process.kill(-child.pid!, "SIGKILL");
  // Ctrl-C reaches this process alone.
  const interrupted = () => {
    stop();
    process.exit(1);
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  let overdue = false;
  const timer = setTimeout(() => {
    overdue = true;
    stop();
  }, 1000 * Number(args.seconds));
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", ({ message }) => resolve(message));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`));
  });
  const peak = peakOf(child);
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("{")) say({ part, ...JSON.parse(line) });
    else process.stderr.write(`${line}\n`);
  }
  const failure = await ended;
  clearTimeout(timer);
  process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  const memory = { seconds, peak_gpu_mib: (await peak) ?? null };
  if (failure === undefined) say({ part, ok: true, ...memory });
  else {
    const error = overdue ? `took more than ${args.seconds} s` : `${reasonIn(errors) ?? "no word"} (${failure})`;
    say({ part, ok: false, ...memory, error });
  }
  return failure === undefined;
}

const failed: string[] = [];
for (const part of parts) {
  process.stderr.write(`== ${part}\n`);
  if (!(await runPart(part))) failed.push(part);
}
say({ part: "all", ok: failed.length === 0, ran: parts, failed });
process.exitCode = failed.length === 0 ? 0 : 1;
