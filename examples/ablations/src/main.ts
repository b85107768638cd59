// The program. Usage, from the repository's root: npm start -w examples/ablations -- --table 1 --data DIR|drawn [--out runs/ablations]
// [--seeds 0,1,2] [--base paper|small|drawn] [--set path=value …] [--rows RUN,…] [--report-only]. Its last line is JSON.
import { join } from "node:path";
import { CaddetError } from "@caddet/core";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { baseOf } from "./bases";
import { ensureScenes } from "./drawn-scenes";
import { type Flags, parseFlags } from "./flags";
import { checkSettings } from "./row-config";
import { reportTable, runTable, type WrittenTable } from "./run-table";
import type { TableOrder } from "./runs";
import { openTableData } from "./table-data";
import { whyNot } from "./table-view";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

// The first signal ends after the current step, with a checkpoint; the second ends at once.
function watchSignals(): { readonly signal: AbortSignal; exitCode(): number } {
  const stopping = new AbortController();
  let exitCode = 0;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      exitCode = EXIT_CODES[name];
      process.stderr.write("\nstopping after this step; the same command goes on from there\n");
      stopping.abort();
    });
  }
  return { signal: stopping.signal, exitCode: () => exitCode };
}

async function train(flags: Flags, order: TableOrder, stop: AbortSignal): Promise<WrittenTable> {
  const scenes = join(flags.out, "scenes");
  if (flags.data === null) await ensureScenes(scenes, flags.scenes);
  const data = await openTableData(flags.data ?? scenes, flags.init);
  const backend = await prepareBackend({ backend: flags.backend as BackendName | "auto" });
  process.stderr.write(`backend ${backend.name} on ${backend.device}\n`);
  return runTable(order, {
    ...(flags.only ? { only: flags.only } : {}),
    data,
    backend: backend.name,
    stop,
    progress: process.stderr,
  });
}

async function main(): Promise<number> {
  // npm starts a workspace's program in the workspace's folder, and says from where it was called.
  const flags = parseFlags(process.argv.slice(2), process.env.INIT_CWD ?? process.cwd());
  const { table, out, seeds, settings } = flags;
  checkSettings(table, settings.set);
  const order: TableOrder = { table, base: baseOf(flags.base, table.id), seeds, settings, out };
  const { signal, exitCode } = watchSignals();
  const { content, files } = flags.reportOnly ? await reportTable(order) : await train(flags, order, signal);
  const missing = content.runs.flatMap((run) => {
    const reason = whyNot(run);
    return reason === undefined ? [] : [{ run: run.row.run, seed: run.seed, reason }];
  });
  const finished = content.runs.length - missing.length;
  process.stdout.write(`${JSON.stringify({ table: table.id, finished, missing, verdict: content.verdict, files })}\n`);
  return exitCode();
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CaddetError || error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
