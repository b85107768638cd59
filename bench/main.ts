// Runs one benchmark: npm run bench -- NAME [--json]. Each NAME.ts here exports `run()`, which measures ours and its peers side by side
// in one process and returns rows; ratios are peer over ours, so that more than 1 is faster than the peer.
import { readdir } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import type { BenchRow } from "./kernels";

const here = new URL(".", import.meta.url);
const names = (await readdir(here))
  .flatMap((file) => /^(\w[\w-]*)\.ts$/.exec(file)?.[1] ?? [])
  .filter((n) => n !== "main");
const [name, ...flags] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- NAME [--json]\nbenchmarks: ${names.join(", ")}\n`);
  process.exit(2);
}
const { run } = (await import(new URL(`${name}.ts`, here).href)) as {
  run(): Promise<{ rows: BenchRow[] } | BenchRow[]>;
};
const result = await run();
const rows = Array.isArray(result) ? result : result.rows;
const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  threads: availableParallelism(),
  memory_gib: Math.round(totalmem() / 2 ** 30),
  node: process.version,
};
if (flags.includes("--json")) process.stdout.write(`${JSON.stringify({ bench: name, machine, rows })}\n`);
else {
  process.stdout.write(`${name} on ${machine.cpu}, ${machine.threads} threads, Node ${machine.node}\n`);
  console.table(rows);
}
